"""coordination/consequences: what a change brings about: cancelled tasks, a readmission review, proposals (3.6)."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.consequences import consequences
from fhirplan.coordination.rules import findings
from fhirplan.coordination.world import Change, MemoryWorld
from fhirplan.validation import Validator

CHICAGO, NEW_YORK = ZoneInfo("America/Chicago"), ZoneInfo("America/New_York")
NOW = datetime.fromisoformat("2026-03-09T08:00:00-05:00")


@pytest.fixture(scope="module")
def validator():
    return Validator.load(Path(__file__).parents[2] / "profiles")


def followed(resources, before, after, now=NOW, zone=CHICAGO):
    return consequences(MemoryWorld(resources), [Change(before, after)], now, zone)


def test_a_revoked_plan_cancels_what_was_not_begun(bundles, validator):
    record = bundles["b01-hf-home-health"]
    plan = next(item for item in record if item["id"] == "cp-hf-1")
    found = followed(record, plan, {**plan, "status": "revoked"})
    assert {(item.kind, item.rule, item.resource["id"], item.resource["status"]) for item in found} == {
        ("write", "cm-x-03", name, "cancelled") for name in ("task-hh", "task-call48", "task-visit7", "task-goalreview")
    }
    for item in found:
        assert item.resource["statusReason"]["coding"][0]["code"] == "plan-revoked"
        assert item.resource["lastModified"] == "2026-03-09T08:00:00-05:00"
        assert [one for one in validator.validate(item.resource) if one.is_error] == []


def test_what_follows_breaks_no_rule_itself_and_brings_nothing_more(bundles):
    record = bundles["b01-hf-home-health"]
    known = {item["id"]: item for item in record}
    plan = known["cp-hf-1"]
    first = Change(plan, {**plan, "status": "revoked"})
    world = MemoryWorld(record)
    written = [Change(known[item.resource["id"]], item.resource) for item in consequences(world, [first], NOW, CHICAGO)]
    assert not any(found.issue.is_error for found in findings(world, [first, *written], NOW, CHICAGO))
    assert consequences(world, [first, *written], NOW, CHICAGO) == ()


@pytest.mark.parametrize("status", ["on-hold", "completed", "entered-in-error"])
def test_no_other_end_of_a_plan_touches_its_tasks(bundles, status):
    record = bundles["b01-hf-home-health"]
    plan = next(item for item in record if item["id"] == "cp-hf-1")
    assert followed(record, plan, {**plan, "status": status}) == ()


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_parent_that_ends_proposes_to_cancel_what_was_not_begun(bundles, status):
    record = bundles["b12-stroke-readmit"]
    parent = next(item for item in record if item["id"] == "b12-t-trans")
    found = followed(record, parent, {**parent, "status": status})
    assert [(item.kind, item.rule, item.resource["id"]) for item in found] == [("propose", "cm-x-22", "b12-t-rr")]


def stay(id_, start, end=None, class_="IMP", **more):
    made = {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished" if end else "in-progress",
        "class": {"code": class_},
        "subject": {"reference": "Patient/pat-hf"},
        "period": {"start": start},
        **more,
    }
    if end:
        made["period"]["end"] = end
    return made


def test_a_readmission_moves_the_stage_and_asks_for_a_review_once(bundles, validator):
    record = bundles["b01-hf-home-health"]
    again = stay("again", "2026-03-18T09:00:00-05:00")
    now = datetime.fromisoformat("2026-03-18T10:00:00-05:00")
    found = followed(record, None, again, now)
    written = [item for item in found if item.kind == "write"]
    [transition] = [item.resource for item in written if not item.is_new]
    [review] = [item.resource for item in written if item.is_new]
    assert transition["id"] == "task-transition"
    assert transition["businessStatus"]["coding"][0]["code"] == "readmitted"
    assert review["priority"] == "urgent"
    assert review["restriction"]["period"]["end"] == "2026-03-20T10:00:00-05:00"
    assert review["focus"] == {"reference": "Encounter/again"}
    assert review["partOf"] == [{"reference": "Task/task-transition"}]
    for made in (transition, {**review, "id": "review"}):
        assert [item for item in validator.validate(made) if item.is_error] == []
    proposed = {item.resource["id"]: item.resource["status"] for item in found if item.kind == "propose"}
    assert proposed == {"task-call48": "on-hold", "task-visit7": "on-hold"}
    rest = [item for item in record if item["id"] != "task-transition"]
    after = [*rest, again, transition, {**review, "id": "review"}]
    assert followed(after, again, {**again, "status": "finished"}, now) == ()


@pytest.mark.parametrize(
    "admission",
    [
        stay("x", "2026-04-06T09:00:00-05:00"),  # more than 30 days after the discharge of 6 March
        stay("x", "2026-03-18T09:00:00-05:00", class_="AMB"),
        stay("x", "2026-03-18T09:00:00-05:00", hospitalization={"preAdmissionIdentifier": {"value": "1"}}),
        stay("x", "2026-03-18T09:00:00-05:00", reasonCode=[{"text": "Planned valve replacement"}]),
        {**stay("x", "2026-03-18T09:00:00-05:00"), "status": "planned"},
        {**stay("x", "2026-03-18T09:00:00-05:00"), "subject": {"reference": "Patient/somebody-else"}},
    ],
)
def test_other_admissions_are_no_readmissions(bundles, admission):
    assert followed(bundles["b01-hf-home-health"], None, admission) == ()


def test_an_unplanned_admission_within_30_days_is_one(bundles):
    reason = [{"text": "Unplanned: shortness of breath"}]
    late = stay("x", "2026-04-05T09:00:00-05:00", class_="OBSENC", reasonCode=reason)
    assert {item.rule for item in followed(bundles["b01-hf-home-health"], None, late)} == {"cm-x-19"}


def test_the_readmission_of_the_stroke_sample_is_already_being_reviewed(bundles):
    record = bundles["b12-stroke-readmit"]
    readmitted = next(item for item in record if item["id"] == "b12-enc-readmit")
    now = datetime.fromisoformat("2026-12-16T12:00:00-05:00")
    found = followed(record, readmitted, readmitted, now, NEW_YORK)
    assert [item for item in found if item.is_new] == []
