"""coordination/acknowledge: one open notice for each resource that the EHR changed, for the lead of its plan."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.acknowledge import notices
from fhirplan.coordination.world import MemoryWorld
from fhirplan.validation import Validator

ZONE = ZoneInfo("America/Chicago")
NOW = datetime(2026, 3, 6, 9, tzinfo=ZONE)
CATEGORY = {
    "coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-careplan-category", "code": "case-management"}]
}
PLAN = {
    "resourceType": "CarePlan",
    "id": "cp",
    "status": "active",
    "category": [CATEGORY],
    "author": {"reference": "PractitionerRole/lead"},
    "subject": {"reference": "Patient/p"},
    "goal": [{"reference": "Goal/g"}],
    "careTeam": [{"reference": "CareTeam/ct"}],
}
GOAL = {"resourceType": "Goal", "id": "g", "subject": {"reference": "Patient/p"}}
TEAM = {"resourceType": "CareTeam", "id": "ct", "subject": {"reference": "Patient/p"}}
TASK = {"resourceType": "Task", "id": "t", "status": "ready", "basedOn": [{"reference": "CarePlan/cp"}]}


def told(changed, version=3, known=(), plan=PLAN, **more):
    world = MemoryWorld([plan, GOAL, TEAM, TASK, *known])
    found = notices(world, changed, version, NOW, ZONE, requester="Device/fhirplan", **more)
    assert all(item.kind == "write" for item in found)
    return [item.resource for item in found]


@pytest.mark.parametrize("changed", [PLAN, GOAL, TEAM, TASK], ids=lambda item: item["resourceType"])
def test_the_lead_is_asked_to_see_the_very_version(changed):
    [task] = told(changed)
    name = f"{changed['resourceType']}/{changed['id']}/_history/3"
    assert task["focus"] == task["input"][0]["valueReference"] == {"reference": name}
    assert task["owner"] == {"reference": "PractitionerRole/lead"}
    assert task["basedOn"] == [{"reference": "CarePlan/cp"}]
    # Friday and three business days
    assert task["restriction"]["period"]["end"] == "2026-03-11T23:59:59-05:00"
    issues = Validator.load().validate(task, policy="case-management")
    assert [item.text for item in issues if item.is_error] == []


def test_a_further_change_moves_the_open_notice_on():
    [task] = told(GOAL)
    stored = {**task, "id": "ack"}
    [moved] = told(GOAL, 4, [stored])
    assert (moved["id"], moved["focus"]["reference"]) == ("ack", "Goal/g/_history/4")
    assert moved["restriction"] == stored["restriction"]


def test_the_same_version_is_told_once_even_when_it_was_acknowledged():
    [task] = told(GOAL)
    assert told(GOAL, 3, [{**task, "id": "ack"}]) == []
    done = {**task, "id": "ack", "status": "completed"}
    assert told(GOAL, 3, [done]) == []
    [again] = told(GOAL, 4, [done])
    assert again.get("id") != "ack"


def test_an_open_notice_of_one_resource_leaves_another_to_be_told():
    [of_goal] = told(GOAL)
    [of_team] = told(TEAM, known=[{**of_goal, "id": "ack"}])
    assert of_team.get("id") != "ack"
    assert of_team["focus"]["reference"] == "CareTeam/ct/_history/3"


def test_nobody_is_asked_about_what_is_nobodys():
    notice = {**told(GOAL)[0], "id": "ack"}
    assert told(notice) == []
    assert told(GOAL, plan={**PLAN, "status": "completed"}) == []
    assert told(GOAL, plan={**PLAN, "category": []}) == []
    assert told(GOAL, plan={key: value for key, value in PLAN.items() if key != "author"}) == []
    assert told({"resourceType": "Observation", "id": "o"}) == []
    assert told({**GOAL, "id": "other"}) == []


def test_a_conflict_says_that_nothing_was_overwritten():
    [task] = told(GOAL, torn=True)
    assert "nothing was overwritten" in task["description"]
