"""The open persona, fact by fact; its details have tests of their own in this folder."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("type_", ["CarePlan", "Goal", "CareTeam", "Task"])
def test_all_interactions(playing, type_):
    ehr = playing("open")
    made = ehr("POST", type_, {"resourceType": type_})
    assert made.status_code == 201
    assert ehr.put({"resourceType": type_, "id": "new-1"}).status_code == 200
    assert ehr.found(type_) == ["new-1"]
    assert ehr("GET", f"{type_}/_history").resource["total"] == 2
    assert ehr("DELETE", f"{type_}/new-1").status_code == 204


def test_last_updated(playing, clock):
    ehr = playing("open")
    ehr.put({"resourceType": "CarePlan", "id": "a"})
    clock.now += 1
    ehr.put({"resourceType": "CarePlan", "id": "b"})
    assert ehr.found("CarePlan?_lastUpdated=ge2026-11-02T12:00:00.001Z") == ["b"]


def test_category_free(playing):
    ehr = playing("open")
    ehr.put({"resourceType": "CarePlan", "id": "a"})
    assert ehr.found("CarePlan") == ["a"]


def test_includes(playing):
    ehr = playing("open")
    ehr.put({"resourceType": "Goal", "id": "g"})
    ehr.put({"resourceType": "CarePlan", "id": "a", "goal": [{"reference": "Goal/g"}]})
    for search in ("CarePlan?_include=CarePlan:goal", "Goal?_revinclude=CarePlan:goal"):
        assert len(ehr("GET", search).resource["entry"]) == 2


def test_conditions_and_transactions(playing):
    ehr = playing("open")
    body = {"resourceType": "Task", "identifier": [{"value": "v"}]}
    assert ehr("POST", "Task", body, If_None_Exist="identifier=v").status_code == 201
    assert ehr("POST", "Task", body, If_None_Exist="identifier=v").status_code == 200
    assert ehr("POST", "", {"resourceType": "Bundle", "type": "transaction"}).status_code == 200


def test_stale_update_412(playing):
    ehr = playing("open")
    ehr.put({"resourceType": "Task", "id": "t"})
    ehr.put({"resourceType": "Task", "id": "t"})
    assert ehr.put({"resourceType": "Task", "id": "t"}, If_Match='W/"1"').status_code == 412
