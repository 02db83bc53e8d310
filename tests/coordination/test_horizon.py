"""coordination/horizon: until the moment it names a state stays as it is, and at that moment it may not."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.horizon import next_change
from fhirplan.coordination.state import state, summary
from fhirplan.coordination.world import MemoryWorld


def at(resources, scenario, now):
    world = MemoryWorld(resources)
    return state(world, world.get(scenario["plan"]), now, ZoneInfo(scenario["timeZone"]))


def test_the_state_stays_until_then(scenario, resources):
    zone = ZoneInfo(scenario["timeZone"])
    now = datetime.fromisoformat(scenario["now"])
    changes = 0
    for _ in range(40):
        found = at(resources, scenario, now)
        then = next_change(found, now, zone)
        if then is None:
            break
        assert then > now
        span = then - now
        last = then - timedelta(microseconds=1)
        for moment in (now + span / 3, min(now + span * 0.9, last), last):
            assert summary(at(resources, scenario, moment)) == summary(found)
        changes += summary(at(resources, scenario, then)) != summary(found)
        now = then
    assert next_change(at(resources, scenario, now), now, zone) is None
    assert changes > 0


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-03-09T08:00:00-05:00", "2026-03-10T23:59:59.000001-05:00"),  # the call becomes overdue
        ("2026-03-11T00:00:00-05:00", "2026-03-11T23:59:59-05:00"),  # the visit becomes due soon
    ],
)
def test_the_moment_is_the_next_one_of_the_heart_failure_plan(bundles, now, then):
    scenario = {"plan": "CarePlan/cp-hf-1", "timeZone": "America/Chicago"}
    found = at(bundles["b01-hf-home-health"], scenario, datetime.fromisoformat(now))
    assert next_change(found, datetime.fromisoformat(now), ZoneInfo("America/Chicago")).isoformat() == then


def test_a_plan_without_times_never_changes_by_itself():
    plan = {"resourceType": "CarePlan", "id": "p", "status": "active"}
    now = datetime.fromisoformat("2026-03-09T08:00:00-05:00")
    assert next_change(at([plan], {"plan": "CarePlan/p", "timeZone": "UTC"}, now), now, ZoneInfo("UTC")) is None
