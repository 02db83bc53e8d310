"""No name and no text is left of a resource, and what made it what it is stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhirplan.fhir.scrub import scrubbed

OURS = "http://fhirplan.dev/fhir/sid/"
BUNDLES = sorted((Path(__file__).parents[2] / "fixtures" / "bundles").glob("*.json"))


def scrub(resource: dict[str, Any], salt: str = "salt") -> dict[str, Any]:
    return scrubbed(resource, salt, keep_system=OURS)


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Elena Quist</div>'},
    "identifier": [{"system": "http://h.example/mrn", "value": "4711"}, {"system": OURS + "patient", "value": "p1"}],
    "name": [{"use": "official", "family": "Quist", "given": ["Elena", "Maria"]}],
    "_birthDate": {"extension": [{"url": "http://x.example/time", "valueDateTime": "1950-04-02T10:00:00Z"}]},
    "telecom": [{"system": "phone", "value": "555-0100"}],
    "address": [{"line": ["1 Elm St"], "city": "Elmville", "postalCode": "12345"}],
    "gender": "female",
    "birthDate": "1950-04-02",
    "photo": [{"contentType": "image/png", "data": "aGVsbG8="}],
    "contact": [{"name": {"text": "Her daughter Ana"}}],
    "extension": [{"url": "http://x.example/nick", "valueString": "Lena"}],
    "generalPractitioner": [{"reference": "Practitioner/d1", "display": "Dr. Adams"}],
    "unheardOf": "Somebody",
}
WORDS = ["Quist", "Elena", "Maria", "4711", "555-0100", "Elm", "12345", "aGVsbG8", "Ana", "Lena", "Adams", "1950-04-02"]


def test_names_and_text_are_gone() -> None:
    text = json.dumps({key: value for key, value in scrub(PATIENT).items() if key != "_birthDate"})
    assert [word for word in [*WORDS, "Somebody"] if word in text] == []


def test_structure_codes_ids_and_references_stay() -> None:
    made = scrub(PATIENT)
    assert (made["id"], made["gender"], made["birthDate"]) == ("p1", "female", "1950-01-01")
    assert made["meta"] == PATIENT["meta"]
    assert made["identifier"][1] == {"system": OURS + "patient", "value": "p1"}
    assert made["generalPractitioner"][0]["reference"] == "Practitioner/d1"
    assert made["extension"][0]["url"] == "http://x.example/nick"
    assert list(made) == list(PATIENT)


def test_the_same_text_becomes_the_same_and_another_another() -> None:
    one, two = scrub({"resourceType": "Goal", "description": {"text": "Walk"}}), scrub(PATIENT)
    again = scrub({"resourceType": "Goal", "description": {"text": "Walk"}})
    other = scrub({"resourceType": "Goal", "description": {"text": "Run"}})
    assert one == again != other
    assert two == scrub(PATIENT) != scrub(PATIENT, "another salt")


@pytest.mark.parametrize("path", BUNDLES[:4], ids=lambda path: path.stem)
def test_no_text_of_the_samples_is_left(path: Path) -> None:
    bundle = json.loads(path.read_text(encoding="utf-8"))
    people = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] in ("Patient", "Goal", "Task")]
    made = json.dumps(scrub(bundle))
    told = [name["family"] for item in people for name in item.get("name", ())]
    told += [item["description"]["text"] for item in people if isinstance(item.get("description"), dict)]
    told += [note["text"] for item in people for note in item.get("note", ())]
    assert told
    assert [text for text in told if json.dumps(text)[1:-1] in made] == []
    assert [entry["fullUrl"] for entry in scrub(bundle)["entry"]] == [entry["fullUrl"] for entry in bundle["entry"]]


def test_the_links_of_a_bundle_stay_so_that_its_next_page_is_found() -> None:
    links = [{"relation": "next", "url": "http://ehr.example/fhir/Goal?page=2"}]
    assert scrub({"resourceType": "Bundle", "type": "searchset", "link": links})["link"] == links
