"""web/chart/caseload: every plan by what is due, filtered, counted, and tasks given to somebody together."""

import json
import re
from pathlib import Path

import pytest

BUNDLES = Path(__file__).resolve().parents[3] / "fixtures" / "bundles"


@pytest.fixture
def ward(configured):
    """A server that holds all sample patients, its lists up to date."""
    from fhirplan import assembly
    from fhirplan.projection.project import project_due

    api = configured(validation="base")
    for path in sorted(BUNDLES.glob("*.json")):
        assert api.send("POST", "", path.read_text(encoding="utf-8")).status_code == 200
    connection = api.services.settings.default_connection
    while project_due(assembly.build_projection(api.services.settings, api.services, connection)):
        pass
    return api


def page(api, path):
    answer = api.client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_the_caseload_lists_each_plan_and_says_why(ward):
    text = page(ward, "/chart/caseload")
    assert "Heart failure: hospital to home" in text
    assert re.search(r"\d+ overdue", text)
    assert text.count("<tr>") >= 12


def test_a_count_leads_to_the_plans_it_counts(ward):
    text = page(ward, "/chart/caseload")
    href = re.search(r'href="([^"]*only=unassigned[^"]*)"', text)[1].replace("&amp;", "&")
    narrowed = page(ward, href)
    assert narrowed.count('<th scope="row">') < text.count('<th scope="row">')
    assert "nobody has taken" in narrowed


def test_filters_stand_in_the_address_and_a_name_does_not(ward):
    text = page(ward, "/chart/caseload?acuity=high")
    assert 'value="high" selected' in text
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)[1]
    answer = ward.client.post("/chart/caseload", data={"csrf": token, "name": "marquez"})
    found = answer.get_data(as_text=True)
    assert "Marquez" in found
    assert found.count('<th scope="row">') == 1
    assert "/chart/caseload?name" not in found


def test_chosen_tasks_are_given_to_one_owner_together(ward):
    text = page(ward, "/chart/caseload/tasks?state=unassigned")
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)[1]
    marks = re.findall(r'name="task" value="([^"]+)"', text)
    owner = re.search(r'<option value="(PractitionerRole/[^"]+)"', text)[1]
    assert len(marks) >= 2
    none = ward.client.post("/chart/caseload/tasks", data={"csrf": token, "state": "unassigned", "owner": owner})
    assert none.status_code == 422
    form = {"csrf": token, "state": "unassigned", "owner": owner, "task": marks[:2]}
    assert ward.client.post("/chart/caseload/tasks", data=form).status_code == 303
    for mark in marks[:2]:
        task = ward.get(f"Task/{mark.partition('|')[0]}").get_json(force=True)
        assert task["owner"]["reference"] == owner
    again = ward.client.post("/chart/caseload/tasks", data={**form, "owner": "PractitionerRole/nobody"})
    assert again.status_code == 422


def test_a_task_that_somebody_changed_meanwhile_is_named_and_the_others_are_given(ward):
    text = page(ward, "/chart/caseload/tasks?state=unassigned")
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)[1]
    first, second = re.findall(r'name="task" value="([^"]+)"', text)[:2]
    owner = re.search(r'<option value="(PractitionerRole/[^"]+)"', text)[1]
    task = ward.get(f"Task/{first.partition('|')[0]}").get_json(force=True)
    ward.put({**task, "description": "Changed elsewhere"})
    answer = ward.client.post(
        "/chart/caseload/tasks", data={"csrf": token, "state": "unassigned", "owner": owner, "task": [first, second]}
    )
    assert answer.status_code == 422
    assert "somebody changed this task meanwhile" in answer.get_data(as_text=True)
    assert ward.get(f"Task/{second.partition('|')[0]}").get_json(force=True)["owner"]["reference"] == owner


def test_titles_are_in_the_viewers_language_where_the_record_translates_them(configured):
    from fhirplan import assembly
    from fhirplan.projection.project import project_due

    def translated(text, said):
        parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": said}]
        url = "http://hl7.org/fhir/StructureDefinition/translation"
        return text, {"extension": [{"url": url, "extension": parts}]}

    api = configured(validation="base")
    bundle = json.loads((BUNDLES / "b01-hf-home-health.json").read_text(encoding="utf-8"))
    held = {item["resource"]["id"]: item["resource"] for item in bundle["entry"]}
    plan = next(item for item in held.values() if item["resourceType"] == "CarePlan")
    plan["title"], plan["_title"] = translated("Heart failure: hospital to home", "Del hospital a casa")
    code = held["task-hh"]["code"]
    code["text"], code["_text"] = translated("Home health", "Enfermería en casa")
    assert api.send("POST", "", json.dumps(bundle)).status_code == 200
    while project_due(
        assembly.build_projection(api.services.settings, api.services, api.services.settings.default_connection)
    ):
        pass
    for language, title, task in (
        ("en", plan["title"], "Home health"),
        ("es", "Del hospital a casa", "Enfermería en casa"),
    ):
        api.client.set_cookie("fhirplan_view", f"{language}|light|America/Chicago|on", path="/chart")
        assert f">{title}<" in page(api, "/chart/caseload")
        assert f">{task}<" in page(api, "/chart/caseload/tasks?state=open")
