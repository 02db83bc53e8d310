"""coordination/worklist: a plan's state as a FHIR List that is valid, ordered, and new only when it says more (4.3)."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.alerts import alerts, flag_changes
from fhirplan.coordination.state import state
from fhirplan.coordination.worklist import changed, list_id, worklist
from fhirplan.coordination.world import MemoryWorld
from fhirplan.validation import Validator

DEVICE = "Device/fhirplan"
HEART_FAILURE = {"now": "2026-03-09T08:00:00-05:00", "timeZone": "America/Chicago", "plan": "CarePlan/cp-hf-1"}


@pytest.fixture(scope="module")
def validator():
    return Validator.load(Path(__file__).parents[2] / "profiles")


def made(scenario, resources, shift=timedelta(0)):
    world = MemoryWorld(resources)
    now, zone = datetime.fromisoformat(scenario["now"]) + shift, ZoneInfo(scenario["timeZone"])
    found = state(world, world.get(scenario["plan"]), now, zone)
    flags = flag_changes(found, alerts(world, found, now, zone), world.of_patient(found.patient, "Flag"), now, DEVICE)
    return worklist(found, flags.standing, now, zone, DEVICE)


def test_the_list_of_each_bundle_is_valid(scenario, resources, validator):
    found = made(scenario, resources)
    assert [item for item in validator.validate(found) if item.severity != "information"] == []


def test_the_summary_says_what_the_scenario_expects(scenario, resources):
    parts = {item["url"]: item for item in made(scenario, resources)["extension"][0]["extension"]}
    said = {name: next(value for key, value in part.items() if key.startswith("value")) for name, part in parts.items()}
    assert said.pop("plan") == {"reference": scenario["plan"]}
    assert said.pop("owner") == {"reference": scenario["owner"]}
    assert said.pop("acuity") == scenario["acuity"]
    assert said.pop("readmissionRisk", None) == scenario.get("readmissionRisk")
    if "stage" in said:
        said["stage"] = said["stage"]["code"]
    assert said == scenario["expected"]


def test_the_entries_of_the_guides_example_come_in_its_order(bundles):
    found = made(HEART_FAILURE, bundles["b01-hf-home-health"])
    entries = [
        (
            item["flag"]["coding"][0]["code"],
            item["item"]["reference"],
            item.get("date", ""),
            [one["valueCoding"]["code"] for one in item.get("extension", [])],
        )
        for item in found["entry"]
    ]
    assert entries == [
        ("plan", "CarePlan/cp-hf-1", "", []),
        ("transition", "Task/task-transition", "2026-04-05T23:59:59-05:00", []),
        ("blocked", "Task/task-hh", "2026-03-08T15:00:00-05:00", ["blocked", "overdue"]),
        ("due-soon", "Task/task-call48", "2026-03-10T23:59:59-05:00", ["due-soon"]),
        ("open", "Task/task-visit7", "2026-03-13T23:59:59-05:00", ["open"]),
        ("planned", "Task/task-goalreview", "2026-04-05T23:59:59-05:00", []),
        ("open-referral", "ServiceRequest/sr-hh", "", []),
        ("goal-on-track", "Goal/goal-weight", "2026-04-05", []),
        ("goal-on-track", "Goal/goal-noreadmit", "2026-04-05", []),
        ("goal-achieved", "Goal/goal-selfcare", "2026-03-06", []),
        ("last-contact", "Communication/com-0", "2026-03-06T13:00:00-06:00", []),
        ("alert", "Flag/flag-1", "", []),
    ]
    assert found["id"] == "coord-cp-hf-1"


def test_the_list_changes_only_when_what_it_says_does(bundles):
    record = bundles["b01-hf-home-health"]
    first = made(HEART_FAILURE, record)
    assert changed(None, first)
    later = made(HEART_FAILURE, record, timedelta(minutes=1))
    assert later["date"] != first["date"]
    assert not changed(first, later)
    stored = {**first, "meta": {**first["meta"], "versionId": "3", "lastUpdated": "2026-03-09T13:00:00Z"}}
    assert not changed(stored, later)
    assert changed(first, made(HEART_FAILURE, record, timedelta(days=2)))


def test_the_list_of_a_plan_that_has_ended_is_retired(bundles):
    record = [
        {**item, "status": "completed"} if item["id"] == "cp-hf-1" else item for item in bundles["b01-hf-home-health"]
    ]
    assert made(HEART_FAILURE, record)["status"] == "retired"


def test_a_title_cannot_smuggle_markup_into_the_narrative(bundles):
    record = [
        {**item, "title": "<script>alert(1)</script>"} if item["id"] == "cp-hf-1" else item
        for item in bundles["b01-hf-home-health"]
    ]
    assert "<script>" not in made(HEART_FAILURE, record)["text"]["div"]


def test_a_long_plan_id_still_gives_a_list_id():
    assert list_id("p1") == "coord-p1"
    assert len(list_id("x" * 64)) <= 64
    assert list_id("x" * 64) != list_id("y" * 64)
