"""The pages of signing in, consent and refusal: in English and in Spanish, and never in both."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from fhirplan.chart.words import words

BASE = "http://127.0.0.1:8080"
ROOT = Path(__file__).resolve().parents[2] / "fhirplan"
SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}


def sentences(language, keys=None):
    return {key: words(language)._texts[key] for key in keys or words(language)._texts}


def text_of(page):
    inside = re.sub(r"<(script|style|footer).*?</\1>", " ", page.get_data(as_text=True), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "\n", inside))


def english_on(page):
    """The English sentences, of three words at least, that stand on a page."""
    text = text_of(page)
    return [said for said in sentences("en").values() if said.count(" ") > 1 and "{" not in said and said in text]


@pytest.fixture
def server(clinic):
    return clinic()


def test_each_refusal_has_its_sentence_and_each_sentence_is_a_refusal():
    sources = [
        *ROOT.glob("launch/*.py"),
        ROOT / "web" / "launch.py",
        ROOT / "web" / "apps.py",
        ROOT / "web" / "viewer.py",
    ]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    known = {key.removeprefix("refused.") for key in sentences("en") if key.startswith("refused.")}
    raised = set(re.findall(r'(?:PageRefused|NoChart|_unknown|refused_page)\(\s*"(\w+)"', text))
    assert raised <= known
    assert {key for key in known if f'"{key}"' not in text} == set()


@pytest.mark.parametrize(
    "path",
    [
        "/auth/launch",
        "/auth/launch?iss=https://evil.example&launch=x",
        "/auth/launch?iss=a&iss=b",
        "/auth/callback?state=x",
        "/auth/authorize?client_id=x",
        "/auth/consent?request=x",
        "/auth/said?why=nonsense",
        "/chart/patients",
    ],
)
def test_a_refusal_is_spanish_where_the_browser_asks_for_it(server, path):
    page = server.client.get(path, headers=SPANISH)
    assert page.status_code >= 400
    assert '<html lang="es">' in page.get_data(as_text=True)
    assert english_on(page) == []
    assert '<html lang="en">' in server.client.get(path).get_data(as_text=True)


def test_the_switch_says_the_same_refusal_in_the_other_language_and_is_remembered(server):
    refused = server.client.get("/auth/launch?iss=https://evil.example&launch=x")
    switch = re.search(r'<a href="([^"]+)" lang="es"', refused.get_data(as_text=True))[1].replace("&amp;", "&")
    spanish = server.client.get(switch)
    assert words("es")("refused.unknown_ehr") in spanish.get_data(as_text=True).replace("&#39;", "'")
    assert '<html lang="es">' in server.client.get("/auth/callback?state=x").get_data(as_text=True)
    assert '<html lang="es">' in server.client.get("/chart/patients").get_data(as_text=True)


@pytest.mark.parametrize("why", ["refused_title", "../x", "<script>", "left.title", ""])
def test_the_switch_says_nothing_that_is_no_sentence_of_ours(server, why):
    page = server.client.get("/auth/said", query_string={"why": why})
    assert page.status_code == 400
    assert "<script" not in page.get_data(as_text=True)


def test_consent_is_asked_in_spanish_and_the_scopes_too(server, ehr):
    asked = {
        "response_type": "code",
        "client_id": "public-app",
        "redirect_uri": "https://app.example.org/back",
        "scope": "openid fhirUser launch/patient offline_access patient/*.rs user/CarePlan.cruds patient/Task.c",
        "state": "state-of-the-app",
        "aud": f"{BASE}/fhir",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    first = server.client.get("/auth/authorize", query_string=asked)
    page = requests.get(first.headers["Location"], timeout=10).text
    number = re.search(r'name="request" value="([^"]+)"', page)[1]
    form = {"request": number, "user": "Practitioner/nurse", "patient": "pat-1", "allow": "yes"}
    back = requests.post(f"{ehr.url}/auth/sign-in", data=form, allow_redirects=False, timeout=10)
    come = server.client.get(back.headers["Location"].removeprefix(BASE))
    page = server.client.get(come.headers["Location"], headers=SPANISH)
    text = text_of(page)
    assert english_on(page) == []
    for said in ("An app pide acceso", "Permitir", "Rechazar", "Todo tipo de registros: leer, buscar", "Paula One"):
        assert said in text
    assert "create" not in text
    switch = re.search(r'<a href="([^"]+)" lang="en"', page.get_data(as_text=True))[1].replace("&amp;", "&")
    english = text_of(server.client.get(switch, headers=SPANISH))
    assert "An app asks for access" in english
    assert parse_qs(urlsplit(switch).query).keys() == {"request", "lang"}


def test_the_way_to_an_ehr_that_takes_posts_is_spanish_too(clinic, ehr):
    server = clinic(launch_authorize="post")
    page = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch()}, headers=SPANISH)
    assert "A su sistema clínico" in text_of(page)
    assert english_on(page) == []
    switch = re.search(r'<a href="([^"]+)" lang="en"', page.get_data(as_text=True))[1].replace("&amp;", "&")
    english = server.client.get(switch)
    assert "To your EHR" in text_of(english)
    assert english.get_data(as_text=True).count("lang=en") == 0
