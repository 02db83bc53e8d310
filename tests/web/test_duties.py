"""The duties of a case manager that no other test carries by itself (docs/reference/duties.md), one test each."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from fhirplan import assembly
from fhirplan.projection.project import project_due
from tests.web.chart.test_assessment import whole
from tests.web.chart.test_writes import code_of

BUNDLES = {
    path.stem[:3]: json.loads(path.read_bytes())
    for path in sorted((Path(__file__).resolve().parents[2] / "fixtures" / "bundles").glob("*.json"))
}
CM = "http://fhirplan.dev/fhir/CodeSystem/"


@pytest.fixture
def ward(configured):
    """A server with the sample patients that a test names."""

    def make(*names):
        api = configured(validation="base", time_zone="America/Chicago")
        for name in names:
            assert api.send("POST", "", BUNDLES[name]).status_code == 200
        return api

    return make


def of_type(name, kind):
    found = [entry["resource"] for entry in BUNDLES[name]["entry"]]
    return [item for item in found if item["resourceType"] == kind]


def page(api, name, path=""):
    [patient] = of_type(name, "Patient")
    answer = api.client.get(f"/chart/patients/{patient['id']}{path}")
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def arranged(ward, name, service):
    """The tasks that arrange a service of that kind stand on the page of tasks."""
    wanted = [
        item["id"]
        for item in of_type(name, "ServiceRequest")
        if service in {coding["code"] for one in item["category"] for coding in one["coding"]}
    ]
    tasks = [
        item
        for item in of_type(name, "Task")
        if item.get("focus", {}).get("reference", "").removeprefix("ServiceRequest/") in wanted
    ]
    assert wanted
    assert tasks
    api = ward(name)
    for task in tasks:
        plan = next(item["reference"] for item in task["basedOn"] if item["reference"].startswith("CarePlan/"))
        text = page(api, name, f"/tasks?plan={plan.removeprefix('CarePlan/')}")
        assert task["code"]["text"] in text


def test_home_health_is_arranged_by_a_task(ward):
    arranged(ward, "b01", "home-health-nursing")


def test_rehabilitation_is_arranged_by_a_task(ward):
    arranged(ward, "b12", "speech-therapy")


def test_hospice_is_arranged_by_a_task(ward):
    # The task of the move home is a change of setting: its page moves it on, and leads to what it is.
    api = ward("b06")
    assert "/tasks/b06-t-trans/stage" in page(api, "b06", "/transition?plan=b06-cp")
    assert "Hospital to home hospice" in page(api, "b06", "/tasks/b06-t-trans")


def test_equipment_is_arranged_by_a_task(ward):
    arranged(ward, "b02", "home-oxygen")


def test_a_community_service_is_arranged_by_a_task(ward):
    arranged(ward, "b02", "housing-assistance")


def test_a_barrier_that_was_told_stands_among_the_needs_with_a_task_to_resolve_it(nurse):
    done = whole(nurse, _6_2="often")
    values = nurse.fill(f"/assessment/{done}", f"/assessment/{done}")
    refs = re.findall(r'name="take" value="([^"]+)"', nurse.see(f"/assessment/{done}"))
    nurse.send(f"/assessment/{done}", {**values, "take": refs})
    needs = nurse.see("/needs")
    assert "Food runs short" in needs
    assert "Resolve: Food runs short" in nurse.see("/tasks?state=planned")


def test_who_supports_the_patient_is_kept_as_a_strength(nurse):
    done = whole(nurse, _5_1=["child", "friend"])
    nurse.send(f"/assessment/{done}", nurse.fill(f"/assessment/{done}", f"/assessment/{done}"))
    bundle = nurse.api.get("Observation?patient=pat-hf&_count=100").get_json(force=True)
    found = [
        entry["resource"]
        for entry in bundle["entry"]
        if {"reference": f"QuestionnaireResponse/{done}"} in entry["resource"].get("derivedFrom", [])
    ]
    [support] = [item for item in found if code_of(item["code"]) == "support-system"]
    assert support["valueCodeableConcept"]["text"] == "child, friend"
    assert "strength" in {coding["code"] for one in support["category"] for coding in one["coding"]}


def test_a_goal_in_the_patients_words_has_a_target_a_date_and_a_place_in_the_plan(nurse):
    values = nurse.fill("/goals/new", "/goals/new", words="Walk to church", domain="functional", due="2026-04-01")
    nurse.send("/goals/new", {**values, "measure": "55423-8", "low": "2000"})
    plan = nurse.stored("CarePlan/cp-hf-1")
    goal = nurse.stored(plan["goal"][-1]["reference"])
    assert goal["description"]["text"] == "Walk to church"
    assert goal["expressedBy"]["reference"] == "Patient/pat-hf"
    assert goal["target"][0]["detailQuantity"]["value"] == 2000
    assert goal["target"][0]["dueDate"] == "2026-04-01"
    assert "Walk to church" in nurse.see("/goals")


def planned(nurse, kind):
    """A task of that kind, due and given to somebody, made in the chart."""
    page = nurse.fill("/tasks/new", "/tasks/new", kind=kind, due="2026-03-20", owner="PractitionerRole/role-ncm")
    nurse.send("/tasks/new", page)
    bundle = nurse.api.get(f"Task?patient=pat-hf&code={CM}cm-task-type|{kind}").get_json(force=True)
    task = bundle["entry"][0]["resource"]
    assert task["restriction"]["period"]["end"].startswith("2026-03-20T23:59:59")
    assert task["owner"]["reference"] == "PractitionerRole/role-ncm"
    assert task["code"]["text"] in unescape(nurse.see("/tasks"))


def test_an_appointment_is_scheduled_by_a_task(nurse):
    planned(nurse, "schedule-appointment")


def test_a_preventive_test_is_arranged_by_a_task(nurse):
    planned(nurse, "arrange-test")


def test_a_denial_is_appealed_by_a_task(nurse):
    planned(nurse, "appeal-denial")


def test_an_authorization_is_asked_for_by_a_task(nurse):
    planned(nurse, "obtain-authorization")


def test_a_teaching_task_ends_with_what_was_understood(nurse):
    values = nurse.fill("/tasks/new", "/tasks/new", kind="educate-patient", due="2026-03-20")
    where = nurse.send("/tasks/new", {**values, "owner": "PractitionerRole/role-ncm"})
    task = re.search(r"undo=Task/([\w-]+):", where)[1]
    values = nurse.fill(f"/tasks/{task}", f"/tasks/{task}/move")
    nurse.send(f"/tasks/{task}/move", {**values, "to": "completed", "outcome": "education-understood"})
    [outcome] = nurse.stored(f"Task/{task}")["output"]
    assert code_of(outcome["valueCodeableConcept"]) == "education-understood"


def column(nurse, name):
    """What stands in a column of the board."""
    return nurse.see("/tasks?view=board").partition(f'id="col-{name}"')[2].partition("</section>")[0]


def test_a_task_of_the_plan_is_carried_out_from_its_start_to_its_outcome(nurse):
    title = nurse.stored("Task/task-visit7")["code"]["text"]
    assert title in column(nurse, "start")
    for to, where, more in (("in-progress", "doing", {}), ("completed", "done", {"outcome": "need-met"})):
        values = nurse.fill("/tasks/task-visit7", "/tasks/task-visit7/move")
        nurse.send("/tasks/task-visit7/move", {**values, "to": to, **more})
        assert title in column(nurse, where)
    task = nurse.stored("Task/task-visit7")
    assert code_of(task["output"][-1]["valueCodeableConcept"]) == "need-met"
    assert task["executionPeriod"].keys() == {"start", "end"}


def called(nurse, **typed):
    """A contact about no task, as it is stored."""
    values = nurse.fill("/contacts/new?task=none", "/contacts/new", how="reached", said="Spoken of")
    where = nurse.send("/contacts/new", {**values, "sender": "PractitionerRole/role-ncm", **typed})
    return nurse.stored(f"Communication/{re.search(r'undo=Communication/([^:]+):', where)[1]}")


def offered(nurse, ref):
    """Whether the form for a contact offers somebody to have been spoken to."""
    select = nurse.see("/contacts/new?task=none").partition('name="recipient"')[2].partition("</select>")[0]
    return f'value="{ref}"' in select


def test_how_the_patient_feels_is_listened_to_and_documented(nurse):
    call = called(nurse, said="Afraid of being alone at night", topic="safety", minutes="25")
    assert call["payload"][0]["contentString"] == "Afraid of being alone at night"
    assert call["recipient"][0]["reference"] == "Patient/pat-hf"
    assert "Afraid of being alone at night" in nurse.see("/contacts")


def test_a_contact_with_a_physician_names_the_physician(nurse):
    team = nurse.api.get("CareTeam?patient=pat-hf").get_json(force=True)["entry"][0]["resource"]
    members = {item["member"]["reference"]: item for item in team["participant"]}
    ref = next(name for name, item in members.items() if code_of(item["role"][0]) == "primary-care-provider")
    assert offered(nurse, ref)
    assert called(nurse, recipient=ref)["recipient"][0]["reference"] == ref


def test_a_contact_with_the_insurer_names_the_insurer(nurse):
    payer = nurse.stored("Coverage/cov-1")["payor"][0]["reference"]
    assert offered(nurse, payer)
    assert called(nurse, recipient=payer, topic="benefits")["recipient"][0]["reference"] == payer


def test_a_handoff_to_the_agency_is_documented_and_moves_the_transition_on(nurse):
    agency = nurse.stored("Task/task-hh")["owner"]["reference"]
    assert offered(nurse, agency)
    contact = called(nurse, recipient=agency, topic="service-status", said="Summary sent, read back by the agency")
    assert contact["recipient"][0]["reference"] == agency
    nurse.send(
        "/tasks/task-transition/stage", nurse.fill("/transition", "/tasks/task-transition/stage", stage="handoff-sent")
    )
    assert code_of(nurse.stored("Task/task-transition")["businessStatus"]) == "handoff-sent"


def test_a_home_visit_is_documented_as_face_to_face(nurse):
    assert code_of(called(nurse, medium="FACE")["medium"][0]) == "FACE"
    assert "face-to-face" in nurse.see("/contacts").lower() or "In person" in nurse.see("/contacts")


def test_the_minutes_of_a_contact_are_kept_and_shown(nurse):
    call = called(nurse, minutes="25")
    [spent] = [item for item in call["extension"] if item["url"].endswith("cm-contact-duration")]
    assert (spent["valueDuration"]["value"], spent["valueDuration"]["code"]) == (25, "min")
    assert "25 min" in nurse.see("/contacts").replace("\u00a0", " ")


def test_the_team_page_names_the_specialist_with_role_and_phone(ward):
    text = page(ward("b11"), "b11", "/team")
    [team] = of_type("b11", "CareTeam")[:1]
    for item in team["participant"]:
        shown = item["member"].get("display", "")
        assert shown.partition(",")[0].partition(" (")[0] in text


def test_the_lead_stands_first_in_the_team_and_can_be_called(nurse):
    text = nurse.see("/team")
    assert text.index("Nora Quist") < text.index("Prairie Home Health")
    assert 'href="tel:' in text


SETTINGS = {
    "hospital-inpatient": "b03",
    "managed-care-organization": "b04",
    "workers-compensation-carrier": "b05",
    "hospice-agency": "b06",
    "outpatient-clinic": "b07",
    "long-term-care-facility": "b08",
    "specialty-facility": "b09",
    "accountable-care-organization": "b10",
    "rehabilitation-facility": "b12",
    "community-program": "b02",
    "discharge-planning": "b01",
}


def found_by(ward, setting, other="b04"):
    """The plan of a setting is what the caseload shows of it, and another plan is not."""
    name = SETTINGS.get(setting, "")
    api = ward(name or "b01", other if other != name else "b05")
    if not name:
        [plan] = of_type("b01", "CarePlan")[:1]
        system = f"{CM}cm-setting"
        others = [one for one in plan["category"] if system not in {item["system"] for item in one["coding"]}]
        coded = {"coding": [{"system": system, "code": setting}]}
        assert api.put({**plan, "category": [*others, coded]}).status_code == 200
    connection = api.services.settings.default_connection
    while project_due(assembly.build_projection(api.services.settings, api.services, connection)):
        pass
    text = api.client.get(f"/chart/caseload?setting={setting}").get_data(as_text=True)
    [patient] = of_type(name or "b01", "Patient")
    [stranger] = of_type(other if other != name else "b05", "Patient")
    assert f"/chart/patients/{patient['id']}" in text
    assert f"/chart/patients/{stranger['id']}" not in text


def test_a_plan_of_a_hospital_is_found_by_its_setting(ward):
    found_by(ward, "hospital-inpatient")


def test_a_plan_of_an_insurer_is_found_by_its_setting(ward):
    found_by(ward, "insurer-utilization-review")


def test_a_plan_of_a_hospice_agency_is_found_by_its_setting(ward):
    found_by(ward, "hospice-agency")


def test_a_plan_of_a_rehabilitation_facility_is_found_by_its_setting(ward):
    found_by(ward, "rehabilitation-facility")


def test_a_plan_of_a_community_program_is_found_by_its_setting(ward):
    found_by(ward, "community-program")


def test_a_plan_of_an_outpatient_clinic_is_found_by_its_setting(ward):
    found_by(ward, "outpatient-clinic")


def test_a_plan_of_a_managed_care_organization_is_found_by_its_setting(ward):
    found_by(ward, "managed-care-organization")


def test_a_plan_of_a_government_agency_is_found_by_its_setting(ward):
    found_by(ward, "government-agency")


def test_a_plan_of_a_workers_compensation_carrier_is_found_by_its_setting(ward):
    found_by(ward, "workers-compensation-carrier")


def test_a_plan_of_a_long_term_care_facility_is_found_by_its_setting(ward):
    found_by(ward, "long-term-care-facility")


def test_a_plan_of_a_private_practice_is_found_by_its_setting(ward):
    found_by(ward, "private-practice")
