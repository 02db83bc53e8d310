"""The CapabilityStatement claims what is served, and what it claims is exercised here."""

from typing import get_args

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.interactions.address import AUDIT, SHIPPED, TYPES
from fhirplan.interactions.capabilities import OF_A_TYPE, OF_THE_SYSTEM
from fhirplan.interactions.operations.declarations import OPERATIONS
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
    "QuestionnaireResponse": {
        "status": "in-progress",
        "questionnaire": "http://fhirplan.dev/fhir/Questionnaire/cm-assessment",
        "subject": {"reference": "Patient/x9"},
    },
    "Subscription": {
        "status": "requested",
        "reason": "to know",
        "criteria": "Goal?lifecycle-status=active",
        "channel": {"type": "rest-hook", "endpoint": "https://agency.example.org/hook"},
    },
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
JSON_PATCH = "application/json-patch+json"
PATCH = [{"op": "replace", "path": "/language", "value": "fr"}]
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
    listed = {item["type"]: item for item in statement["rest"][0]["resource"] if item["type"] not in (*TYPES, AUDIT)}
    assert set(listed) == set(CATALOG)
    # Each kind that is served is claimed as an interaction or an operation, or needs no claim.
    unclaimed = {
        "audit-read",
        "audit-search",
        "capabilities",
        "bundle",
        "definition-read",
        "definition-search",
        "openapi",
        "search-compartment",
        *OPERATIONS,
    }
    assert set(get_args(Kind)) == set(READS) | set(OTHERS)
    assert set(get_args(Kind)) - unclaimed <= {*OF_A_TYPE, *OF_THE_SYSTEM}
    for type_, item in listed.items():
        assert [one["code"] for one in item["interaction"]] == list(OF_A_TYPE)
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
        "patch": api.send("PATCH", f"{type_}/x1", PATCH, {"Content-Type": JSON_PATCH}).headers["ETag"] == 'W/"3"',
        "history-type": len(api.get(f"{type_}/_history").get_json(force=True)["entry"]) == 4,
        "search-type": len(api.get(f"{type_}?_id=x1").get_json(force=True)["entry"]) == 1,
        "delete": api.delete(f"{type_}/x1").status_code == 204 and api.get(f"{type_}/x1").status_code == 410,
    }
    assert {item["code"] for item in claimed["interaction"]} == {name for name, right in done.items() if right}
    for parameter in claimed["searchParam"]:
        response = api.get(f"{type_}?{parameter['name']}={VALUES[parameter['type']]}")
        assert response.status_code == 200, (parameter, response.get_data(as_text=True))
    assert api.post(resource, If_None_Exist="_id=nobody").status_code == 201
    conditional = api.send("PUT", f"{type_}?_id=nobody", resource)
    assert conditional.status_code == 201
    assert claimed["conditionalUpdate"]
    assert api.delete(f"{type_}?_id=x1").status_code == 204
    assert claimed["conditionalDelete"] == "single"
    assert api.put(resource).status_code == 201
    for operation in claimed["operation"]:
        assert _called(api, type_, operation["name"], resource) == 200, operation


TAG = {"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "y"}]}}
REASON = {"name": "reason", "valueString": "Unconscious on arrival"}
BODIES = {
    "break-glass": {"resourceType": "Parameters", "parameter": [REASON]},
    "extract": {"resourceType": "Parameters"},
    "meta-add": {"resourceType": "Parameters", "parameter": [TAG]},
    "meta-delete": {"resourceType": "Parameters", "parameter": [TAG]},
}


def _called(api, type_, name, resource):
    """The status of an operation called as its definition says."""
    definitions = api.get("OperationDefinition").get_json(force=True)["entry"]
    [definition] = [
        entry["resource"]
        for entry in definitions
        if entry["resource"]["code"] == name and type_ in entry["resource"].get("resource", ())
    ]
    body = BODIES.get(name, resource)
    if not definition["instance"]:
        return api.get(f"{type_}/${name}?resource={type_}/x1").status_code
    if not definition["affectsState"] and name != "validate":
        return api.get(
            f"{type_}/x1/${name}?instant=2999-01-01".removesuffix("?instant=2999-01-01" * (name != "as-of"))
        ).status_code
    places = [f"{type_}/x1/${name}", *([f"{type_}/${name}"] if definition["type"] else [])]
    return max(api.send("POST", place, body).status_code for place in places)


def test_each_definition_is_served_and_valid(api):
    validator = Validator.load()
    for type_ in TYPES:
        entries = api.get(type_).get_json(force=True)["entry"]
        ids = [entry["resource"]["id"] for entry in entries]
        assert len(ids) == len(set(ids))
        for entry in entries:
            resource = entry["resource"]
            assert [one for one in validator.validate(resource, policy="base") if one.is_error] == [], resource["id"]
        assert api.get(f"{type_}/{ids[0]}").get_json(force=True)["id"] == ids[0]
        assert api.get(f"{type_}/none").status_code == 404
        assert api.get(f"{type_}?name=x").status_code == (200 if type_ in SHIPPED else 400)
        assert api.send("PUT", f"{type_}/x", {"resourceType": type_}).status_code == 405


def test_each_search_parameter_that_is_claimed_has_a_definition(api, statement):
    defined = {entry["resource"]["url"] for entry in api.get("SearchParameter").get_json(force=True)["entry"]}
    for item in statement["rest"][0]["resource"]:
        if item["type"] == AUDIT:  # its two are the server's own words, tested in test_audit
            continue
        assert {one["definition"] for one in item.get("searchParam", [])} <= defined, item["type"]


def test_the_claims_about_the_base_are_kept(api, statement, goal):
    assert [one["code"] for one in statement["rest"][0]["interaction"]] == list(OF_THE_SYSTEM)
    api.put(goal)
    assert len(api.get("_history").get_json(force=True)["entry"]) == 1
    assert len(api.get("?_type=Goal,Task&_id=g1").get_json(force=True)["entry"]) == 1
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert len(api.send("POST", "_search", "_type=Goal&_id=g1", form).get_json(force=True)["entry"]) == 1


def test_what_belongs_to_a_patient_is_searched_below_the_patient(api, statement, goal, problem):
    assert statement["rest"][0]["compartment"] == ["http://hl7.org/fhir/CompartmentDefinition/patient"]
    assert "Task" in statement["rest"][0]["documentation"]
    api.put(goal)
    api.put({"resourceType": "Task", "id": "t1", "status": "draft", "intent": "order", "for": goal["subject"]})
    for path in ("Patient/p1/Goal", "Patient/p1/Goal?lifecycle-status=active", "Patient/p1/Task"):
        assert len(api.get(path).get_json(force=True)["entry"]) == 1, path
    assert "entry" not in api.get("Patient/p2/Task").get_json(force=True)
    problem(api.get("Patient/p1/Organization"), 404, "not-supported")
    for kind in ("transaction", "batch"):
        assert api.bundle(kind).get_json(force=True)["type"] == f"{kind}-response"


def test_it_states_the_limits(configured):
    api = configured(max_bundle_entries=77)
    assert "77 entries" in api.get("metadata").get_json(force=True)["rest"][0]["documentation"]


@pytest.mark.parametrize("format_", ["application/fhir+json", "application/fhir+xml", "json", "xml"])
def test_each_format_that_is_claimed_is_written(api, statement, format_):
    assert format_ in statement["format"]
    assert api.get(f"metadata?_format={format_}").status_code == 200
    assert api.get("metadata", Accept=format_).status_code == 200


def test_each_connection_has_its_own(configured):
    api = configured(connections={"mercy": {}})
    statement = api.send("GET", "metadata", base="/mercy/fhir").get_json(force=True)
    assert statement["implementation"]["url"] == "http://127.0.0.1:8080/mercy/fhir"


def test_each_mode_and_part_of_the_statement_is_given(api, statement, problem):
    for mode in ("full", "normative", "terminology"):
        assert api.get(f"metadata?mode={mode}").get_json(force=True) == statement
    few = api.get("metadata?_elements=fhirVersion").get_json(force=True)
    assert few["fhirVersion"] == "4.0.1"
    assert "rest" not in few
    summary = api.get("metadata?_summary=true").get_json(force=True)
    assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "documentation" not in summary["rest"][0]
    problem(api.get("metadata?mode=best"), 400, "invalid")
    problem(api.get("metadata?colour=red"), 400, "invalid")
