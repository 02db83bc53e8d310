"""All personas: every fact has a date, a source and a test of its name, and metadata says what really happens."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.calls import asked
from fhirplan.sandbox.definitions import TYPES
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store

HERE = Path(__file__).parent
VENDORS = [persona for persona in PERSONAS.values() if not persona.whole]
OFFERS = [(persona, type_) for persona in VENDORS for type_ in sorted(persona.types)]
EVERY_FACT = [(persona, key) for persona in PERSONAS.values() for key in persona.facts]
PATIENT = {"resourceType": "Patient", "id": "p"}


def functions_for(persona):
    family = persona.name.partition("-")[0]
    files = [HERE / f"test_personas_{family}.py", HERE / "test_personas_shared.py"]
    return {
        node.name
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize(("persona", "key"), EVERY_FACT, ids=[f"{p.name}-{key}" for p, key in EVERY_FACT])
def test_each_fact_has_words_a_date_a_source_and_a_test_of_its_name(persona, key):
    fact = persona.facts[key]
    assert fact.said.endswith((".", ")"))
    assert fact.date.split()[-1] in ("2026",)
    assert len(fact.source) > 20
    assert f"test_{key.replace('-', '_')}" in functions_for(persona)


def test_the_five_personas_are_there_and_named_as_they_are_chosen():
    assert {"open", "epic", "oracle", "athena", "meditech"} <= set(PERSONAS)
    assert all(name == persona.name for name, persona in PERSONAS.items())


def stated(persona):
    answer = create_app(Store(), persona).test_client().get("/fhir/metadata", headers={"Accept": "application/json"})
    return {item["type"]: item for item in answer.json["rest"][0]["resource"]}


STATED = {persona.name: stated(persona) for persona in VENDORS}


@pytest.mark.parametrize(("persona", "type_"), OFFERS, ids=[f"{p.name}-{t}" for p, t in OFFERS])
def test_metadata_claims_the_interactions_that_work_and_no_other(playing, persona, type_):
    ehr = playing(persona)
    ehr.load(PATIENT, {"resourceType": type_, "id": "x", "language": "en"})
    claimed = {item["code"] for item in STATED[persona.name][type_]["interaction"]}
    body = {"resourceType": type_, "id": "x", "language": "de"}
    patch = b'[{"op": "test", "path": "/status", "value": null}]'
    tried = {
        ("GET", f"{type_}/x"): None,
        ("GET", f"{type_}?_id=x"): None,
        ("POST", type_): body,
        ("PUT", f"{type_}/x"): body,
        ("PATCH", f"{type_}/x"): patch,
        ("GET", f"{type_}/_history"): None,
        ("GET", f"{type_}/x/_history"): None,
        ("GET", f"{type_}/x/_history/1"): None,
        ("DELETE", f"{type_}/x"): None,
    }
    for (method, path), sent in tried.items():
        kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
        answer = ehr(method, path, sent, Content_Type=kind)
        works = asked(method, path.partition("?")[0]).interaction in claimed
        if works:
            assert answer.status_code in (200, 201) or method == "PATCH", (method, path, answer.resource)
        assert (answer.status_code == 405) is not works, (method, path)


@pytest.mark.parametrize(("persona", "type_"), OFFERS, ids=[f"{p.name}-{t}" for p, t in OFFERS])
def test_metadata_claims_parameters_that_the_type_has(persona, type_):
    known = {"_id", "_lastUpdated", *TYPES[type_]}
    assert {parameter["name"] for parameter in STATED[persona.name][type_].get("searchParam", [])} <= known


@pytest.mark.parametrize("persona", VENDORS, ids=lambda persona: persona.name)
def test_types_that_metadata_leaves_out_are_not_served(playing, persona):
    ehr = playing(persona)
    missing = sorted(set(TYPES) - set(STATED[persona.name]))
    assert missing
    for type_ in missing:
        ehr.load({"resourceType": type_, "id": "x"})
        assert ehr("GET", f"{type_}/x").status_code == 404
        assert ehr("GET", type_).status_code == 404
        assert ehr("POST", type_, {"resourceType": type_}).status_code == 404


@pytest.mark.parametrize("persona", VENDORS, ids=lambda persona: persona.name)
def test_metadata_names_the_software_and_the_sandbox(playing, persona):
    said = playing(persona)("GET", "metadata").resource
    assert said["software"]["name"] == persona.software
    assert "sandbox" in said["implementation"]["description"]
    assert "interaction" not in said["rest"][0]
    assert "security" not in said["rest"][0]
    assert persona.facts["no-conditions"].said in said["rest"][0]["documentation"]


@pytest.mark.parametrize("persona", VENDORS, ids=lambda persona: persona.name)
def test_the_admin_door_loads_and_edits_past_the_persona(playing, persona):
    ehr = playing(persona)
    ehr.load(PATIENT, {"resourceType": "CarePlan", "id": "c", "status": "active"})
    edit = {"method": "PUT", "path": "CarePlan/c", "body": {"resourceType": "CarePlan", "id": "c", "status": "revoked"}}
    assert ehr("PUT", "CarePlan/c", edit["body"]).status_code == 405
    changed = ehr("POST", "/admin/edit", edit)
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert ehr("GET", "CarePlan/c").resource["status"] == "revoked"
    assert ehr("POST", "/admin/edit", {**edit, "ifMatch": 'W/"1"'}).status_code == 412
    assert ehr("POST", "/admin/edit", {"method": "DELETE", "path": "CarePlan/c"}).status_code == 204
    assert ehr("GET", "CarePlan/c").status_code == 410
    logged = ehr("GET", "/admin/requests").resource["requests"]
    assert [item["method"] for item in logged if item.get("user") == "clinic"] == ["PUT", "DELETE"]


@pytest.mark.parametrize("bad", [[], {}, {"method": "PUT"}, {"method": "PUT", "path": "Task/t", "body": {}}])
def test_an_edit_that_is_none_is_refused(ehr, bad):
    assert ehr("POST", "/admin/edit", bad).status_code == 400
