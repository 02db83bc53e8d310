"""The athenaOne persona, fact by fact."""

from __future__ import annotations

import pytest

SUBJECT = {"subject": {"reference": "Patient/p"}}
ASSESS = [{"coding": [{"code": "assess-plan"}]}]
PLAN = {"resourceType": "CarePlan", "id": "c", "status": "active", "category": ASSESS, **SUBJECT}
BY_PATIENT = "CarePlan?patient=p&category=assess-plan"
DAY = 24 * 3600 * 1000


@pytest.fixture
def athena(playing):
    return playing("athena")


def test_other_writes(athena):
    for type_, offer in athena.persona.types.items():
        expected = 201 if type_ == "QuestionnaireResponse" else 405
        assert athena("POST", type_, {"resourceType": type_}).status_code == expected
        assert athena.put({"resourceType": type_, "id": "new-1"}).status_code == 405
        assert "update" not in offer.interactions


def test_no_writes(playing):
    practice = playing("athena-practice")
    practice.load(PLAN)
    for type_ in practice.persona.types:
        assert practice("POST", type_, {"resourceType": type_}).status_code == 405
        assert practice.put({"resourceType": type_, "id": "c"}).status_code == 405
    assert practice.found(BY_PATIENT) == ["c"]


@pytest.mark.parametrize("type_", ["CarePlan", "Goal", "CareTeam", "Observation"])
def test_last_updated_by_day(athena, clock, type_):
    search = f"{type_}?patient=p&" + ("category=assess-plan&" if type_ == "CarePlan" else "")
    athena.load({**PLAN, "resourceType": type_, "id": "old"})
    clock.now += DAY
    athena.load({**PLAN, "resourceType": type_, "id": "new"})
    assert athena.found(f"{search}_lastUpdated=ge2026-11-03") == ["new"]
    assert athena.found(f"{search}_lastUpdated=ge2026-11-02") == ["old", "new"]
    assert athena("GET", f"{search}_lastUpdated=ge2026-11-03T00:00:00Z").status_code == 400


def test_category_assess_plan(athena):
    athena.load(PLAN)
    assert athena("GET", "CarePlan?patient=p").status_code == 400
    assert athena("GET", "CarePlan?patient=p&category=other").status_code == 400
    assert athena.found("CarePlan?_id=c") == athena.found(BY_PATIENT) == ["c"]


def test_cursor_paging(athena):
    athena.load(*({**PLAN, "id": f"c{n}"} for n in range(5)))
    first = athena("GET", f"{BY_PATIENT}&_count=2").resource
    assert "&cursor=" in next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert "_page" not in str(first["link"])
    assert athena.found(f"{BY_PATIENT}&_count=2") == [f"c{n}" for n in range(5)]


def test_team_refuses_category_and_name(athena):
    for refused in ("category=x", "name=x"):
        assert athena("GET", f"CareTeam?patient=p&{refused}").status_code == 400
    assert athena("GET", "CareTeam?patient=p&status=active").status_code == 200


def test_practice_parameter(athena):
    athena.load(PLAN)
    assert athena.page(f"{BY_PATIENT}&ah-practice=Organization/a-1.Practice-1") == (["c"], [])
