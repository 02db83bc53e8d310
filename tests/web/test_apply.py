"""PlanDefinition/$apply over HTTP: plan, goals, team and tasks in one transaction, dry, again, and refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from fhirplan.web.app import create_app

NOW = int(datetime.fromisoformat("2026-03-02T09:00:00-06:00").timestamp() * 1000)
HEART = "PlanDefinition/cm-heart-failure-discharge"
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:mrn", "value": "1"}],
           "name": [{"family": "Ruiz"}], "gender": "female"}  # fmt: skip
ORGANIZATION = {"resourceType": "Organization", "id": "o1", "active": True, "name": "Lakeside"}
NURSE = {"resourceType": "Practitioner", "id": "n1", "name": [{"family": "Quist"}],
         "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999999018"}]}  # fmt: skip
LEAD = {
    "resourceType": "PractitionerRole",
    "id": "lead",
    "active": True,
    "practitioner": {"reference": "Practitioner/n1"},
    "organization": {"reference": "Organization/o1"},
    "telecom": [{"system": "phone", "value": "+1-555-0100"}],
}
STAY = {
    "resourceType": "Encounter",
    "id": "stay",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-02T06:40:00-06:00"},
}


@pytest.fixture
def api(configured):
    made = configured(validation="case-management", time_zone="America/Chicago")
    services = replace(made.services, clock=lambda: NOW)
    made = type(made)(create_app(services), services)
    for resource in (PATIENT, ORGANIZATION, NURSE, LEAD, STAY):
        answer = made.put(resource)
        assert answer.status_code == 201, answer.get_data(as_text=True)
    return made


def applied(api, place=HEART, status=200, **given):
    listed = [
        {"name": name, "valueBoolean" if isinstance(value, bool) else "valueString": value}
        for name, values in given.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    response = api.send("POST", f"{place}/$apply", {"resourceType": "Parameters", "parameter": listed})
    assert response.status_code == status, response.get_data(as_text=True)
    return response.get_json(force=True)


def found(api, query):
    return [item["resource"] for item in api.get(query).get_json(force=True).get("entry", [])]


ASKED = {"subject": "Patient/p1", "practitioner": "PractitionerRole/lead"}


def test_a_template_becomes_a_plan_with_all_that_it_asks_for(api):
    plan = applied(api, **ASKED)
    assert (plan["resourceType"], plan["status"], plan["meta"]["versionId"]) == ("CarePlan", "draft", "1")
    assert plan["encounter"] == {"reference": "Encounter/stay"}
    tasks = found(api, f"Task?based-on=CarePlan/{plan['id']}&_count=50")
    assert len(tasks) == 16
    services = found(api, f"ServiceRequest?based-on=CarePlan/{plan['id']}")
    assert sorted(item["category"][0]["coding"][0]["code"] for item in services) == [
        "durable-medical-equipment",
        "home-health-nursing",
    ]
    assert {item["status"] for item in services} == {"draft"}
    assert len(plan["activity"]) == 18
    assert len(plan["goal"]) == 4
    by_action = {item["instantiatesUri"].rpartition("#")[2]: item for item in tasks}
    # admission is known from the stay, discharge is not
    assert by_action["plan"]["restriction"]["period"]["end"] == "2026-03-05T06:40:00-06:00"
    assert by_action["post-discharge-call"]["status"] == "draft"
    assert {item["encounter"]["reference"] for item in tasks} == {"Encounter/stay"}
    [team] = found(api, "CareTeam?patient=p1")
    assert plan["careTeam"] == [{"reference": f"CareTeam/{team['id']}"}]


def test_a_dry_run_shows_the_transaction_and_writes_nothing(api):
    bundle = applied(api, **ASKED, dryRun=True)
    assert (bundle["resourceType"], bundle["type"], len(bundle["entry"])) == ("Bundle", "transaction", 24)
    assert found(api, "CarePlan?patient=p1") == found(api, "Task?patient=p1") == []
    answer = api.send("POST", "", bundle)
    assert answer.status_code == 200, answer.get_data(as_text=True)


def test_applied_again_it_dates_what_is_known_since_and_makes_nothing_twice(api):
    plan = applied(api, **ASKED)
    again = applied(api, **ASKED)
    assert again == plan
    over = {**STAY, "status": "finished", "period": {**STAY["period"], "end": "2026-03-06T15:00:00-06:00"}}
    assert api.put(over).status_code == 200
    third = applied(api, **ASKED)
    assert third["id"] == plan["id"]
    tasks = found(api, f"Task?based-on=CarePlan/{plan['id']}&_count=50")
    by_action = {item["instantiatesUri"].rpartition("#")[2]: item for item in tasks}
    assert len(tasks) == 16
    assert by_action["post-discharge-call"]["restriction"]["period"]["end"] == "2026-03-10T23:59:59-05:00"
    assert by_action["post-discharge-call"]["status"] == "ready"
    assert applied(api, **ASKED, dryRun=True)["entry"] == []


def test_moments_can_be_given_and_actions_left_out(api):
    given = {"anchor": ["discharge=2026-03-06T15:00:00-06:00"], "leaveOut": ["scale", "wk3"]}
    bundle = applied(api, **ASKED, dryRun=True, **given)
    tasks = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Task"]
    assert len(tasks) == 14
    assert all("restriction" in item for item in tasks)


def test_who_is_to_do_an_action_can_be_chosen(api):
    given = {"anchor": ["discharge=2026-03-06T15:00:00-06:00"]}
    bundle = applied(api, **ASKED, dryRun=True, **given, owner=["scale=Patient/p1", "wk3="])
    made = {
        entry["resource"]["instantiatesUri"].rpartition("#")[2]: entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Task"
    }
    assert (made["scale"]["owner"]["reference"], made["scale"]["status"]) == ("Patient/p1", "ready")
    assert ("owner" in made["wk3"], made["wk3"]["status"]) == (False, "requested")
    assert made["wk2"]["owner"]["reference"] == "PractitionerRole/lead"


@pytest.mark.parametrize(
    ("owner", "status"),
    [
        ("scale", 400),
        ("=Patient/p1", 400),
        ("scale=Goal/g", 400),
        ("nothing=Patient/p1", 422),
        ("scale=Patient/x", 422),
    ],
)
def test_an_owner_that_fits_no_action_or_is_not_here_is_refused(api, owner, status):
    applied(api, **ASKED, status=status, owner=owner)


def test_the_template_may_be_named_by_its_url_or_sent_along(api):
    url = "http://fhirplan.dev/fhir/PlanDefinition/cm-diabetes"
    plan = applied(api, "PlanDefinition", **ASKED, url=url)
    assert plan["instantiatesCanonical"] == [f"{url}|1.0.0"]
    sent = api.get("PlanDefinition/cm-diabetes").get_json(force=True)
    parameters = [
        {"name": "planDefinition", "resource": {**sent, "url": "http://example.org/mine", "id": "mine"}},
        {"name": "subject", "valueReference": {"reference": "Patient/p1"}},
        {"name": "practitioner", "valueString": "PractitionerRole/lead"},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    response = api.send("POST", "PlanDefinition/$apply", body)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.get_json(force=True)["id"] != plan["id"]


def test_two_who_apply_at_once_make_one_plan(api):
    body = {"resourceType": "Parameters", "parameter": [{"name": n, "valueString": v} for n, v in ASKED.items()]}

    def go(_caller):
        caller = api.app.test_client()
        return caller.post(f"/fhir/{HEART}/$apply", data=json.dumps(body), content_type="application/fhir+json")

    with ThreadPoolExecutor(4) as together:
        answers = [answer.status_code for answer in together.map(go, range(4))]
    assert set(answers) <= {200, 412}
    assert 200 in answers
    assert len(found(api, "CarePlan?patient=p1")) == 1
    assert len(found(api, "Task?patient=p1&_count=100")) == 16


@pytest.mark.parametrize(
    ("place", "given", "status", "said"),
    [
        ("PlanDefinition/none", ASKED, 404, "PlanDefinition lists"),
        (HEART, {"practitioner": "PractitionerRole/lead"}, 400, "subject is missing"),
        (HEART, {"subject": "Patient/p1"}, 422, "Nobody leads yet"),
        (HEART, {"subject": "Patient/p9", "practitioner": "PractitionerRole/lead"}, 404, "no Patient/p9"),
        (HEART, {**ASKED, "practitioner": "PractitionerRole/who"}, 422, "no PractitionerRole/who"),
        (HEART, {**ASKED, "anchor": "birth=2026-03-01"}, 422, "counts from admission, discharge"),
        (HEART, {**ASKED, "anchor": "discharge=soon"}, 422, "no date"),
        (HEART, {**ASKED, "anchor": "discharge"}, 400, "a name and a moment"),
        (HEART, {**ASKED, "subject": "Goal/g1"}, 400, "Patient/[id]"),
        (HEART, {**ASKED, "plan": "CarePlan/none"}, 404, "no CarePlan/none"),
        (HEART, {**ASKED, "dryRun": "maybe"}, 400, "true or false"),
        ("PlanDefinition", ASKED, 400, "Say which template"),
        ("PlanDefinition", {**ASKED, "url": "http://example.org/x"}, 404, "no template"),
    ],
)
def test_what_cannot_be_applied_is_said(api, place, given, status, said):
    answer = applied(api, place, status, **given)
    assert said in answer["issue"][0]["details"]["text"]


def test_templates_and_questionnaires_are_read_and_searched(api):
    listed = found(api, "PlanDefinition")
    assert {item["id"] for item in listed} >= {"cm-heart-failure-discharge", "cm-diabetes", "cm-copd-discharge"}
    [one] = found(api, "PlanDefinition?url=http://fhirplan.dev/fhir/PlanDefinition/cm-diabetes&status=active")
    assert api.get("PlanDefinition/cm-diabetes").get_json(force=True) == one
    assert [item["id"] for item in found(api, "PlanDefinition?title=heart")] == ["cm-heart-failure-discharge"]
    assert [item["id"] for item in found(api, "Questionnaire?name=cmassess")] == ["cm-assessment"]
    assert api.get("Questionnaire?colour=red").status_code == 400
    assert api.send("PUT", "PlanDefinition/x", {"resourceType": "PlanDefinition"}).status_code == 405
    assert api.send("GET", f"{HEART}/$apply").status_code == 405


RESPONSE = {
    "resourceType": "QuestionnaireResponse",
    "id": "qr",
    "questionnaire": "http://fhirplan.dev/fhir/Questionnaire/cm-assessment|1.0.0",
    "status": "in-progress",
    "subject": {"reference": "Patient/p1"},
    "author": {"reference": "PractitionerRole/lead"},
    "authored": "2026-03-02T08:30:00-06:00",
    "item": [
        {
            "linkId": "6",
            "item": [
                {
                    "linkId": "6.3",
                    "answer": [
                        {
                            "valueCoding": {
                                "system": "http://fhirplan.dev/fhir/CodeSystem/cm-assessment-answer",
                                "code": "medical",
                            }
                        }
                    ],
                }
            ],
        }
    ],
}


def test_an_assessment_is_shown_then_stored_and_never_twice(api):
    plan = applied(api, **ASKED)
    assert api.put(RESPONSE).status_code == 201
    shown = api.send("POST", "QuestionnaireResponse/qr/$extract").get_json(force=True)
    types = sorted(entry["resource"]["resourceType"] for entry in shown["entry"])
    assert types == ["CarePlan", "Condition", "Goal", "Observation", "Task"]
    assert found(api, "Condition?patient=p1") == []
    for wanted in (5, 0):
        answer = api.send("POST", "QuestionnaireResponse/qr/$extract?store=true")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert len(answer.get_json(force=True).get("entry", [])) == wanted
    [need] = found(api, "Condition?patient=p1")
    again = api.get(f"CarePlan/{plan['id']}").get_json(force=True)
    assert {"reference": f"Condition/{need['id']}"} in again["addresses"]
    assert len(again["activity"]) == 19


def test_a_response_to_something_else_is_refused(api):
    assert api.put({**RESPONSE, "questionnaire": "http://example.org/other"}).status_code == 201
    answer = api.send("POST", "QuestionnaireResponse/qr/$extract")
    assert answer.status_code == 422
    assert api.send("POST", "QuestionnaireResponse/none/$extract").status_code == 404
