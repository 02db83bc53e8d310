"""web/chart: the pages as a browser gets them."""

import json
import re
from pathlib import Path

import pytest

BUNDLE = Path(__file__).resolve().parents[3] / "fixtures" / "bundles" / "b01-hf-home-health.json"


@pytest.fixture
def loaded(api):
    assert api.send("POST", "", BUNDLE.read_text(encoding="utf-8")).status_code == 200
    return api


def page(api, path, status=200):
    answer = api.client.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.get_data(as_text=True)


def test_the_list_leads_to_each_patient_with_a_plan_and_what_is_late(loaded):
    text = page(loaded, "/chart/patients")
    assert 'href="/chart/patients/pat-hf"' in text
    assert "Heart failure: hospital to home" in text


def test_the_page_shows_plan_goals_tasks_owners_and_team(loaded):
    text = page(loaded, "/chart/patients/pat-hf")
    bundle = json.loads(BUNDLE.read_text(encoding="utf-8"))
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert next(item["title"] for item in resources if item["resourceType"] == "CarePlan") in text
    for item in resources:
        if item["resourceType"] in ("Goal", "Task"):
            assert f'id="{item["resourceType"].lower()}-{item["id"]}"' in text or item["id"] == "task-transition"
    assert "Prairie Home Health" in text
    assert "overdue since" in text


def test_a_list_longer_than_a_page_goes_on(api, monkeypatch):
    monkeypatch.setattr("fhirplan.web.chart.narrowed.ON_A_PAGE", 2)
    for number in range(5):
        api.put({"resourceType": "Patient", "id": f"p{number}", "name": [{"text": f"Patient {number}"}]})
    seen, path = [], "/chart/patients"
    while path:
        text = page(api, path)
        seen += [number for number in range(5) if f"Patient {number}<" in text]
        path = text.partition('href="/chart/patients?after=')[2].partition('"')[0]
        path = f"/chart/patients?after={path}" if path else ""
    assert seen == [0, 1, 2, 3, 4]


def test_an_unknown_patient_is_said_to_be_unknown(api):
    assert "Nothing is stored under this address." in page(api, "/chart/patients/nobody", 404)


def test_an_empty_server_says_how_patients_come(api):
    assert "No patients yet." in page(api, "/chart/patients")


def test_what_a_record_says_never_becomes_markup(api):
    name = {"text": "<script>alert(1)</script> O'Neil & سارة"}
    api.put({"resourceType": "Patient", "id": "p1", "name": [name]})
    text = page(api, "/chart/patients/p1")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; O&#39;Neil &amp; سارة" in text


def test_no_page_holds_inline_style_or_script(loaded):
    for path in ("/chart/patients", "/chart/patients/pat-hf"):
        text = page(loaded, path)
        assert " style=" not in text
        assert not re.search(r"<script(?![^>]* src=)", text)
        assert not re.search(r"\son[a-z]+=", text)


def test_an_open_server_says_so_on_each_page(loaded):
    for path in ("/chart/caseload", "/chart/patients", "/chart/patients/pat-hf", "/chart/patients/nobody"):
        assert "everybody on this computer can read and change everything" in loaded.client.get(path).get_data(
            as_text=True
        )


def test_under_smart_nobody_sees_a_page(configured):
    closed = configured(auth="smart")
    for path in ("/chart/patients", "/chart/patients/pat-hf"):
        answer = closed.client.get(path)
        assert answer.status_code == 401
        assert "Elena" not in answer.get_data(as_text=True)
    with closed.client.get("/static/chart.css") as answer:
        assert answer.status_code == 200


def test_the_bare_address_leads_to_the_chart(api):
    assert api.client.get("/").headers["Location"] == "/chart/"
