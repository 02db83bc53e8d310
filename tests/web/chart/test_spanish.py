"""The pages in Spanish: of the words that are ours none is left in English, on any page of any sample patient."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fhirplan.chart import codes
from fhirplan.chart.words import words
from fhirplan.coordination.assessment import asking

ROOT = Path(__file__).resolve().parents[3]
BUNDLES = sorted((ROOT / "fixtures" / "bundles").glob("b*.json"))
PROFILES = codes.profiles_folder()
SPLIT = re.compile(r" · |: |, ")
PAGES = ["", "/tasks", "/tasks?view=board", "/tasks/new", "/goals", "/goals/new", "/needs", "/team", "/contacts"]
PAGES += ["/contacts/new", "/changes?all=1", "/sync", "/transition", "/templates", "/assessment", "/assessment/form"]
PAGES += ["/compare?from=2026-01-01", "/print?lang=es"]


class Texts(HTMLParser):
    """The texts of a page, but for those that are marked as another language."""

    def __init__(self, text, language="es"):
        super().__init__()
        self.found, self._foreign, self._language = set(), [], language
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("input", "br", "meta", "link", "path", "rect", "circle", "polyline"):
            self._foreign.append(
                dict(attrs).get("lang", self._language) != self._language or tag in ("script", "style")
            )
        self.found |= {dict(attrs).get(name) or "" for name in ("aria-label", "data-label")} - {""}

    def handle_endtag(self, tag):
        if self._foreign and tag not in ("path", "rect", "circle", "polyline"):
            self._foreign.pop()

    def handle_data(self, data):
        if not any(self._foreign):
            text = re.sub(r"\s+", " ", data)
            self.found |= {part.strip() for part in SPLIT.split(text)} | {text.strip()}


def english():
    """What is ours in English: sentences without a place to fill, names of codes, texts of templates and rules."""
    said = json.loads((ROOT / "fhirplan" / "chart" / "languages" / "en.json").read_text(encoding="utf-8"))["texts"]
    spanish = words("es")
    found = {text for key, text in said.items() if "{" not in text and "|" not in text and spanish(key) != text}
    for path in PROFILES.glob("codesystems/*.json"):
        for item in codes.system(path.stem.removeprefix("CodeSystem-")).values():
            told = spanish.code(item.system, item.code)
            found |= {item.display} if told and told != item.display else set()
    for path in PROFILES.glob("plandefinitions/*.json"):
        read = json.loads(path.read_text(encoding="utf-8"))
        found |= {read["title"], read["description"], *(goal["description"]["text"] for goal in read["goal"])}
        found |= {action["title"] for action in read["action"]}
    found |= {item.text for item in asking.ASKED}
    # Words that Spanish has as well, and names.
    return {text for text in found if len(text) > 3} - {"No", "General", "Hospital", "Normal", "Local"}


def free_text(bundle):
    """What somebody wrote into the record in words of their own: the pages show it as it is."""
    found = set()

    def walk(value):
        if isinstance(value, dict):
            own = {item.get("display") for item in value.get("coding", [])} if "coding" in value else set()
            if isinstance(value.get("text"), str) and value["text"] not in own:
                found.add(value["text"])
            found.update(value[name] for name in ("title", "description", "name") if isinstance(value.get(name), str))
            found.update(value[name] for name in ("contentString", "valueString") if name in value)
            if not str(value.get("system")).startswith(codes.OURS):
                found.add(value.get("display"))
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(bundle)
    return {part.strip() for text in found if isinstance(text, str) for part in (text, *SPLIT.split(text))}


@pytest.fixture(scope="module")
def ours():
    return english()


def left_in_english(api, pages, patient, ours, written=frozenset()):
    found = {}
    for path in pages:
        answer = api.client.get(f"/chart/patients/{patient}{path}")
        assert answer.status_code == 200, path
        text = answer.get_data(as_text=True)
        assert '<html lang="es"' in text
        left = (Texts(text).found & ours) - written
        if left:
            found[path] = sorted(left)
    return found


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_none_of_our_words_is_left_in_english(configured, ours, path):
    api = configured(validation="base")
    bundle = json.loads(path.read_text(encoding="utf-8"))
    assert api.send("POST", "", json.dumps(bundle)).status_code == 200
    listed = [item["resource"] for item in bundle["entry"]]
    patient = next(item["id"] for item in listed if item["resourceType"] == "Patient")
    api.client.set_cookie("fhirplan_view", "es|auto|America/Chicago|on", path="/chart")
    assert left_in_english(api, PAGES, patient, ours, free_text(bundle)) == {}


def test_in_english_they_are_found(configured, ours):
    api = configured(validation="base")
    assert api.send("POST", "", BUNDLES[0].read_text(encoding="utf-8")).status_code == 200
    found = Texts(api.client.get("/chart/patients/pat-hf").get_data(as_text=True), "en").found & ours
    assert {"Do now", "Care team", "Lead case manager", "Awaiting authorization"} <= found


def test_what_a_template_makes_is_read_in_spanish(configured, ours):
    api = configured(validation="base")
    assert api.send("POST", "", BUNDLES[0].read_text(encoding="utf-8")).status_code == 200
    api.client.set_cookie("fhirplan_view", "es|auto|America/Chicago|on", path="/chart")
    for name in ("cm-copd-discharge", "cm-diabetes"):
        address = f"/chart/patients/pat-hf/templates/{name}?start=2026-03-06"
        page = api.client.get(address).get_data(as_text=True)
        written = free_text(json.loads(BUNDLES[0].read_text(encoding="utf-8")))
        assert (Texts(page).found & ours) - written == set()
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)[1]
        assert api.client.post(address, data={"csrf": token, "start": "2026-03-06"}).status_code == 303
    tasks = api.client.get("/chart/patients/pat-hf/tasks").get_data(as_text=True)
    assert "Técnica con el inhalador" in tasks
    assert "Inhaler technique" not in tasks
    goals = api.client.get("/chart/patients/pat-hf/goals").get_data(as_text=True)
    assert "Usa bien cada inhalador" in goals
    # The record itself says both, in the way of the standard.
    found = api.client.get("/fhir/Task?_count=100").get_json()["entry"]
    made = next(item["resource"] for item in found if item["resource"]["code"].get("text") == "Inhaler technique")
    assert made["code"]["_text"]["extension"][0]["url"].endswith("/translation")
    assert made["_description"]["extension"][0]["url"].endswith("/translation")


def test_a_name_that_is_changed_drops_its_translation_and_one_that_is_not_keeps_it(configured):
    api = configured(validation="base")
    assert api.send("POST", "", BUNDLES[0].read_text(encoding="utf-8")).status_code == 200
    api.client.set_cookie("fhirplan_view", "es|auto|America/Chicago|on", path="/chart")
    address = "/chart/patients/pat-hf/templates/cm-diabetes"
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', api.client.get(address).get_data(as_text=True))[1]
    assert api.client.post(address, data={"csrf": token}).status_code == 303
    found = api.client.get("/fhir/Task?_count=100").get_json()["entry"]
    task = next(item["resource"] for item in found if item["resource"]["code"].get("text") == "Eye examination")
    page = api.client.get(f"/chart/patients/pat-hf/tasks/{task['id']}").get_data(as_text=True)
    given = re.search(r'id="edit-title" name="title" value="([^"]*)"', page)[1]
    assert given == "Examen de los ojos"

    def save(title):
        text = api.client.get(f"/chart/patients/pat-hf/tasks/{task['id']}").get_data(as_text=True)
        form = text[text.index('aria-labelledby="h-edit"') :]
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        answer = api.client.post(
            f"/chart/patients/pat-hf/tasks/{task['id']}/edit", data={**hidden, "title": title, "note": "x"}
        )
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return api.client.get(f"/fhir/Task/{task['id']}").get_json()["code"]

    assert save(given)["text"] == "Eye examination"
    changed = save("Retina")
    assert changed["text"] == "Retina"
    assert "_text" not in changed
