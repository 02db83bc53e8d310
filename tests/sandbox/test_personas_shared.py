"""Facts that several personas share, each shown on every persona that declares it."""

from __future__ import annotations

import pytest

from fhirplan.sandbox.persona import US_CORE
from fhirplan.sandbox.personas import PERSONAS

PATIENT = {"resourceType": "Patient", "id": "p"}
PLAN = {
    "resourceType": "CarePlan",
    "id": "c",
    "status": "active",
    "subject": {"reference": "Patient/p"},
    "category": [{"coding": [{"system": "urn:s", "code": "assess-plan"}]}],
}
BY_PATIENT = "CarePlan?patient=p&category=assess-plan"


def with_fact(key):
    named = [persona for persona in PERSONAS.values() if key in persona.facts]
    assert named
    return pytest.mark.parametrize("persona", named, ids=lambda persona: persona.name)


@with_fact("plans-goals-teams-read-only")
def test_plans_goals_teams_read_only(playing, persona):
    ehr = playing(persona)
    for type_ in ("CarePlan", "Goal", "CareTeam"):
        body = {**PLAN, "resourceType": type_}
        ehr.load(PATIENT, body)
        assert ehr("GET", f"{type_}/c").status_code == 200
        assert ehr("GET", f"{type_}?_id=c").status_code == 200
        for method, path in (("POST", type_), ("PUT", f"{type_}/c"), ("DELETE", f"{type_}/c"), ("PATCH", f"{type_}/c")):
            assert ehr(method, path, body).status_code == 405
    assert ehr.found(BY_PATIENT) == ["c"]


@with_fact("no-task")
def test_no_task(playing, persona):
    ehr = playing(persona)
    ehr.load({"resourceType": "Task", "id": "t"})
    for method, path in (("GET", "Task/t"), ("GET", "Task?_id=t"), ("PUT", "Task/t"), ("POST", "Task")):
        assert ehr(method, path, {"resourceType": "Task", "id": "t"}).status_code == 404


@with_fact("no-sort")
def test_no_sort(playing, persona, clock):
    ehr = playing(persona)
    ehr.load(PATIENT, {**PLAN, "id": "a"})
    clock.now += 1000
    ehr.load({**PLAN, "id": "b"})
    assert ehr.found(f"{BY_PATIENT}&_sort=-_lastUpdated") == ["a", "b"]
    assert ehr.page(f"{BY_PATIENT}&_sort=-_lastUpdated")[1] == []


@with_fact("no-history")
def test_no_history(playing, persona):
    ehr = playing(persona)
    ehr.load(PLAN)
    for path in ("CarePlan/c/_history", "CarePlan/_history", "CarePlan/c/_history/1"):
        assert ehr("GET", path).status_code == 405
    assert ehr("GET", "_history").status_code == 404


@with_fact("no-conditions")
def test_no_conditions(playing, persona):
    ehr = playing(persona)
    for kind in ("transaction", "batch"):
        assert ehr("POST", "", {"resourceType": "Bundle", "type": kind}).status_code == 404
    writable = [type_ for type_, offer in persona.types.items() if "create" in offer.interactions]
    for type_ in writable:
        for value in ("one", "two"):
            body = {"resourceType": type_, "identifier": [{"value": "v"}], "language": value}
            assert ehr("POST", type_, body, If_None_Exist="identifier=v").status_code == 201
        assert ehr.store.counts()[type_] == 2
        assert ehr("PUT", f"{type_}?identifier=v", {"resourceType": type_}).status_code == 405


@with_fact("supporting-types")
def test_supporting_types(playing, persona):
    ehr = playing(persona)
    for type_ in US_CORE:
        ehr.load({"resourceType": type_, "id": "x"})
        assert ehr("GET", f"{type_}/x").status_code == 200
        assert ehr.found(type_) == ["x"]


@with_fact("unknown-parameter-ignored")
def test_unknown_parameter_ignored(playing, persona):
    ehr = playing(persona)
    ehr.load(PATIENT, PLAN, {**PLAN, "id": "d", "intent": "order"})
    assert ehr.page(f"{BY_PATIENT}&intent=order&nonsense=1&_include=*") == (["c", "d"], [])


def test_a_search_of_one_patient_brings_no_other(playing):
    for persona in PERSONAS.values():
        ehr = playing(persona)
        ehr("POST", "/admin/reset")
        ehr.load(PATIENT, PLAN, {**PLAN, "id": "other", "subject": {"reference": "Patient/q"}})
        assert ehr.found(BY_PATIENT) == ["c"]


def test_the_query_that_worked_in_both_places_works_everywhere(playing):
    for persona in PERSONAS.values():
        ehr = playing(persona)
        ehr("POST", "/admin/reset")
        ehr.load(PATIENT, PLAN, {**PLAN, "id": "old", "status": "revoked"})
        assert ehr.found("CarePlan?patient=p&status=active&category=assess-plan") == ["c"]
