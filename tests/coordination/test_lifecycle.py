"""coordination/lifecycle: intent, a goal's achievement, and what the server adds to a move (guide section 3)."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.coordination.lifecycle import applied, judge

NOW = datetime.fromisoformat("2026-03-12T12:00:00-05:00")
ACHIEVEMENT = "http://terminology.hl7.org/CodeSystem/goal-achievement"
BUSINESS = "http://fhirplan.dev/fhir/CodeSystem/cm-business-status"
STATUSES = [
    "draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold",
    "completed", "failed", "rejected", "cancelled", "entered-in-error",
]  # fmt: skip


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def goal(lifecycle, achievement=None, **more):
    made = {"resourceType": "Goal", "id": "g", "lifecycleStatus": lifecycle, **more}
    return {**made, "achievementStatus": coded(ACHIEVEMENT, achievement)} if achievement else made


def task(status, **more):
    return {"resourceType": "Task", "id": "t", "status": status, **more}


ALL = [
    None, "in-progress", "improving", "worsening", "no-change", "achieved", "sustaining",
    "not-achieved", "no-progress", "not-attainable",
]  # fmt: skip
ENDED = {"achieved", "sustaining", "not-achieved", "no-progress", "not-attainable"}
ALLOWED = {
    "proposed": {None},
    "planned": {None},
    "rejected": {None},
    "accepted": set(ALL),
    "active": set(ALL),
    "on-hold": set(ALL),
    "completed": ENDED,
    "cancelled": {None, "not-achieved", "not-attainable"},
    "entered-in-error": set(ALL),
}


@pytest.mark.parametrize("lifecycle", ALLOWED)
@pytest.mark.parametrize("achievement", ALL)
def test_the_achievement_fits_the_lifecycle(lifecycle, achievement):
    found = [item for item in judge(None, goal(lifecycle, achievement)) if item.is_error]
    assert bool(found) == (achievement not in ALLOWED[lifecycle])
    if found:
        assert found[0].expression == "Goal.achievementStatus"
        assert found[0].rule in {"cm-gl-4", "cm-gl-5", "cm-gl-6", "cm-sm-goal"}


def test_the_intent_of_a_plan_does_not_change():
    plan = {"resourceType": "CarePlan", "id": "p", "status": "active", "intent": "proposal"}
    [issue] = judge(plan, {**plan, "intent": "order"})
    assert (issue.rule, issue.expression, issue.severity) == ("cm-sm-careplan-intent", "CarePlan.intent", "error")
    assert judge(plan, plan) == ()


def test_a_change_sets_last_modified_and_no_change_sets_nothing():
    stored = task("ready", lastModified="2026-03-09T16:00:00-05:00")
    assert applied(stored, task("accepted"), NOW)["lastModified"] == "2026-03-12T12:00:00-05:00"
    for said in (stored, {**stored, "lastModified": "2026-03-12T11:00:00-05:00"}, task("ready")):
        assert applied(stored, said, NOW) == stored


def test_last_modified_is_never_before_authored_on():
    late = task("ready", authoredOn="2026-03-12T13:00:00-05:00")
    assert applied(None, late, NOW)["lastModified"] == "2026-03-12T13:00:00-05:00"


def test_beginning_work_fills_its_start_and_never_its_end():
    assert applied(task("ready"), task("in-progress"), NOW)["executionPeriod"] == {"start": "2026-03-12T12:00:00-05:00"}
    kept = {"start": "2026-03-01"}
    assert applied(task("ready"), task("in-progress", executionPeriod=kept), NOW)["executionPeriod"] == kept
    assert "executionPeriod" not in applied(task("ready"), task("completed"), NOW)


@pytest.mark.parametrize("status", STATUSES)
def test_leaving_on_hold_removes_what_only_held(status):
    held = {"statusReason": {"text": "waits"}, "businessStatus": coded(BUSINESS, "awaiting-patient")}
    made = applied(task("on-hold", **held), task(status, **held), NOW)
    assert ("businessStatus" in made) == (status == "on-hold")
    # A state that must say why keeps its reason (cm-tk-3).
    assert ("statusReason" in made) == (status in ("on-hold", "rejected", "cancelled", "failed"))
    scheduled = {"businessStatus": coded(BUSINESS, "scheduled")}
    assert "businessStatus" in applied(task("on-hold"), task("ready", **scheduled), NOW)


def test_a_changed_achievement_is_dated():
    stored = goal("active", "in-progress", statusDate="2026-03-01")
    assert applied(stored, goal("active", "improving", statusDate="2026-03-01"), NOW)["statusDate"] == "2026-03-12"
    assert applied(stored, goal("active", "improving", statusDate="2026-03-10"), NOW)["statusDate"] == "2026-03-10"
    assert applied(stored, stored, NOW) is stored


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES), st.booleans())
def test_what_was_applied_is_applied_once(come_from, to, held):
    more = {"statusReason": {"text": "waits"}, "businessStatus": coded(BUSINESS, "waitlisted")} if held else {}
    stored = task(come_from, **more)
    once = applied(stored, task(to, **more), NOW)
    assert applied(once, once, NOW) == once
    assert applied(stored, once, NOW) == once


def test_the_server_adds_to_nothing_but_a_task_and_a_goal_that_was_there():
    achieved = {"resourceType": "Goal", "lifecycleStatus": "active", "achievementStatus": {"text": "achieved"}}
    assert applied(None, achieved, NOW) is achieved
    plan = {"resourceType": "CarePlan", "status": "active", "achievementStatus": {"text": "achieved"}}
    assert applied({"resourceType": "CarePlan", "status": "draft"}, plan, NOW) is plan
