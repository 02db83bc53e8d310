"""The CapabilityStatement claims what is served, and what it claims is exercised here."""

from typing import get_args

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.interactions.capabilities import NOT_OF_A_TYPE
from fhirplan.interactions.perform import OTHERS, READS
from fhirplan.interactions.values import Kind
from fhirplan.validation import Validator

LEAST = {
    "Patient": {},
    "Practitioner": {},
    "RelatedPerson": {"patient": {"reference": "Patient/p1"}},
    "Organization": {"name": "Clinic"},
    "Location": {},
    "HealthcareService": {"name": "Home health"},
    "PractitionerRole": {},
    "Coverage": {
        "status": "active",
        "beneficiary": {"reference": "Patient/p1"},
        "payor": [{"reference": "Organization/o1"}],
    },
    "Consent": {
        "status": "active",
        "scope": {"text": "privacy"},
        "category": [{"text": "disclosure"}],
        "patient": {"reference": "Patient/p1"},
        "policy": [{"uri": "http://example.org/policy"}],
    },
    "Encounter": {"status": "planned", "class": {"code": "AMB"}},
    "Condition": {"subject": {"reference": "Patient/p1"}},
    "Observation": {"status": "final", "code": {"text": "weight"}},
    "Flag": {"status": "active", "code": {"text": "falls"}, "subject": {"reference": "Patient/p1"}},
    "RiskAssessment": {"status": "final", "subject": {"reference": "Patient/p1"}},
    "QuestionnaireResponse": {"status": "completed"},
    "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "Summary"}}]},
    "ServiceRequest": {"status": "active", "intent": "order", "subject": {"reference": "Patient/p1"}},
    "Appointment": {
        "status": "proposed",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    },
    "CareTeam": {},
    "Goal": {
        "lifecycleStatus": "active",
        "description": {"text": "walk"},
        "subject": {"reference": "Patient/p1"},
    },
    "CarePlan": {"status": "active", "intent": "plan", "subject": {"reference": "Patient/p1"}},
    "Task": {"status": "draft", "intent": "order"},
    "Communication": {"status": "completed"},
    "List": {"status": "current", "mode": "working"},
    "Provenance": {
        "target": [{"reference": "CarePlan/c1"}],
        "recorded": "2026-03-09T08:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/n1"}}],
    },
}
VALUES = {
    "token": "x",
    "reference": "x1",
    "date": "2026-03-09",
    "string": "x",
    "uri": "http://example.org/x",
    "number": "1",
    "quantity": "1",
}


@pytest.fixture
def statement(api):
    return api.get("metadata").get_json(force=True)


def test_the_statement_is_a_valid_resource(statement):
    assert [issue for issue in Validator.load().validate(statement, policy="base") if issue.is_error] == []


def test_it_names_what_this_is_and_where(statement):
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == "http://127.0.0.1:8080/fhir"
    assert statement["rest"][0]["mode"] == "server"


def test_it_is_derived_from_the_catalog_and_the_table_of_interactions(statement):
    listed = {item["type"]: item for item in statement["rest"][0]["resource"]}
    assert set(listed) == set(CATALOG)
    assert set(get_args(Kind)) == set(READS) | set(OTHERS)
    for type_, item in listed.items():
        assert {one["code"] for one in item["interaction"]} == set(get_args(Kind)) - NOT_OF_A_TYPE
        assert [one["name"] for one in item["searchParam"]] == [one.code for one in CATALOG[type_].parameters]


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_each_claim_about_a_type_is_kept(api, statement, type_):
    [claimed] = [item for item in statement["rest"][0]["resource"] if item["type"] == type_]
    resource = {"resourceType": type_, "id": "x1", **LEAST[type_]}
    assert api.put(resource).status_code == 201, api.put(resource).get_data(as_text=True)
    done = {
        "create": api.post(resource).status_code == 201,
        "read": api.get(f"{type_}/x1").get_json(force=True)["id"] == "x1",
        "update": api.put({**resource, "language": "en"}).headers["ETag"] == 'W/"2"',
        "vread": "language" not in api.get(f"{type_}/x1/_history/1").get_json(force=True),
        "history-instance": len(api.get(f"{type_}/x1/_history").get_json(force=True)["entry"]) == 2,
        "search-type": len(api.get(f"{type_}?_id=x1").get_json(force=True)["entry"]) == 1,
        "delete": api.delete(f"{type_}/x1").status_code == 204 and api.get(f"{type_}/x1").status_code == 410,
    }
    assert {item["code"] for item in claimed["interaction"]} == {name for name, right in done.items() if right}
    for parameter in claimed["searchParam"]:
        response = api.get(f"{type_}?{parameter['name']}={VALUES[parameter['type']]}")
        assert response.status_code == 200, (parameter, response.get_data(as_text=True))
    assert api.post(resource, If_None_Exist="_id=nobody").status_code == 201
    validated = api.send("POST", f"{type_}/$validate", resource)
    assert validated.get_json(force=True)["resourceType"] == "OperationOutcome"


def test_the_claims_about_the_base_are_kept(api, statement):
    assert statement["rest"][0]["interaction"] == [{"code": "transaction"}, {"code": "batch"}]
    for kind in ("transaction", "batch"):
        assert api.bundle(kind).get_json(force=True)["type"] == f"{kind}-response"


def test_it_states_the_limits(configured):
    api = configured(max_bundle_entries=77)
    assert "77 entries" in api.get("metadata").get_json(force=True)["rest"][0]["documentation"]


def test_each_connection_has_its_own(configured):
    api = configured(connections={"mercy": {}})
    statement = api.send("GET", "metadata", base="/mercy/fhir").get_json(force=True)
    assert statement["implementation"]["url"] == "http://127.0.0.1:8080/mercy/fhir"
