"""Every claim of the CapabilityStatement is exercised, and nothing that works goes unclaimed."""

from __future__ import annotations

import pytest

from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store

STATEMENT = create_app(Store()).test_client().get("/fhir/metadata").json
REST = STATEMENT["rest"][0]
TYPES = [resource["type"] for resource in REST["resource"]]
PARAMETERS = [(stated["type"], parameter) for stated in REST["resource"] for parameter in stated["searchParam"]]


def test_the_statement_has_what_r4_requires():
    assert (STATEMENT["resourceType"], STATEMENT["fhirVersion"], STATEMENT["kind"]) == (
        "CapabilityStatement",
        "4.0.1",
        "instance",
    )
    assert STATEMENT["implementation"]["url"] == "http://localhost/fhir"
    assert {"status", "date", "format", "software"} <= STATEMENT.keys()


@pytest.mark.parametrize("needed", [
    "CarePlan", "Goal", "Task", "CareTeam", "Patient", "Practitioner", "PractitionerRole", "Organization",
    "RelatedPerson", "Condition", "Observation", "Encounter", "ServiceRequest", "Communication", "Consent",
    "QuestionnaireResponse", "Coverage", "DocumentReference", "Provenance", "List", "Flag", "RiskAssessment",
    "Appointment", "Location", "HealthcareService",
])  # fmt: skip
def test_the_types_that_bundles_bring_are_served(needed):
    assert needed in TYPES


@pytest.mark.parametrize("stated", REST["resource"], ids=TYPES)
def test_each_claimed_interaction_works(ehr, stated):
    type_ = stated["type"]
    asked = {
        "create": lambda: ehr("POST", type_, {"resourceType": type_}).status_code == 201,
        "update": lambda: ehr.put({"resourceType": type_, "id": "new-1", "language": "en"}).status_code == 200,
        "read": lambda: ehr("GET", f"{type_}/new-1").resource["language"] == "en",
        "vread": lambda: "language" not in ehr("GET", f"{type_}/new-1/_history/1").resource,
        "history-instance": lambda: ehr("GET", f"{type_}/new-1/_history").resource["total"] == 2,
        "history-type": lambda: ehr("GET", f"{type_}/_history").resource["total"] == 2,
        "search-type": lambda: ehr.found(f"{type_}?_id=new-1") == ["new-1"],
        "delete": lambda: ehr("DELETE", f"{type_}/new-1").status_code == 204,
    }
    assert {item["code"] for item in stated["interaction"]} == set(asked)
    for code, works in asked.items():
        assert works(), code


@pytest.mark.parametrize("stated", REST["resource"], ids=TYPES)
def test_each_claim_on_versions_and_conditions_holds(ehr, stated):
    type_ = stated["type"]
    bare = {"resourceType": type_}
    assert (stated["versioning"], stated["readHistory"], stated["updateCreate"]) == ("versioned", True, True)
    assert ehr.put({**bare, "id": "x"}).status_code == 201
    assert ehr.put({**bare, "id": "x"}, If_Match='W/"9"').status_code == 412
    assert stated["conditionalCreate"] is True
    assert ehr("POST", type_, bare, If_None_Exist="_id=x").status_code == 200
    assert stated["conditionalUpdate"] is True
    assert ehr("PUT", f"{type_}?_id=x", bare).status_code == 200
    assert stated["conditionalRead"] == "not-match"
    assert ehr("GET", f"{type_}/x", If_None_Match='W/"2"').status_code == 304
    assert stated["conditionalDelete"] == "not-supported"
    assert ehr("DELETE", f"{type_}?_id=x").status_code == 405
    assert "PATCH" not in {item["code"].upper() for item in stated["interaction"]}
    assert ehr("PATCH", f"{type_}/x", bare).status_code == 405


VALUES = {"token": "urn:s|v", "reference": "Patient/p", "date": "ge2020"}


@pytest.mark.parametrize(("type_", "parameter"), PARAMETERS, ids=[f"{t}-{p['name']}" for t, p in PARAMETERS])
def test_each_claimed_parameter_is_taken_and_selects(ehr, type_, parameter):
    ehr.put({"resourceType": type_, "id": "plain"})
    expected = ["plain"] if parameter["name"] == "_lastUpdated" else []
    assert ehr.found(f"{type_}?{parameter['name']}={VALUES[parameter['type']]}") == expected


@pytest.mark.parametrize("stated", REST["resource"], ids=TYPES)
def test_each_claimed_include_is_taken(ehr, stated):
    ehr.put({"resourceType": stated["type"], "id": "plain"})
    claimed = [f"_include={claim}" for claim in stated.get("searchInclude", [])]
    claimed += [f"_revinclude={claim}" for claim in stated.get("searchRevInclude", [])]
    assert ehr("GET", f"{stated['type']}?{'&'.join(claimed)}").resource["total"] == 1


def test_the_claimed_system_interactions_work(ehr):
    assert {item["code"] for item in REST["interaction"]} == {"transaction", "batch", "history-system"}
    for kind in ("transaction", "batch"):
        assert ehr("POST", "", {"resourceType": "Bundle", "type": kind}).resource["type"] == f"{kind}-response"
    assert ehr("GET", "_history").resource["type"] == "history"


def test_no_type_is_served_unclaimed(ehr):
    assert "Banana" not in TYPES
    assert ehr("GET", "Claim").status_code == 404
