"""coordination/due: what is open, overdue, due soon, blocked or unassigned, at a time that is an argument."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.coordination.due import SOON, TERMINAL, due_time, is_work, moment, task_state, tasks_of

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
STATUSES = [
    "draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold",
    "completed", "failed", "rejected", "cancelled", "entered-in-error",
]  # fmt: skip


def task(status="accepted", end="2026-03-10T12:00:00-05:00", **more):
    made = {"resourceType": "Task", "id": "t", "status": status, "owner": {"reference": "Practitioner/n"}, **more}
    if end:
        made["restriction"] = {"period": {"end": end}}
    return made


def state(made, known=None, now=NOW):
    return task_state(made, known or {}, now, CHICAGO)


@given(st.sampled_from(STATUSES), st.integers(-200, 200))
def test_each_task_is_open_planned_or_over_and_only_open_ones_are_late(status, hours):
    due = NOW + timedelta(hours=hours)
    found = state(task(status, due.isoformat()))
    assert found.open + found.planned + (status in TERMINAL) == 1
    assert found.overdue == (found.open and due < NOW)
    assert found.due_soon == (found.open and NOW <= due <= NOW + SOON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-08", "2026-03-08T23:59:59-05:00"),
        ("2026-03-07", "2026-03-07T23:59:59-06:00"),
        ("2026-02", "2026-02-28T23:59:59-06:00"),
        ("2024", "2024-12-31T23:59:59-06:00"),
        ("2026-03-08T15:00:00Z", "2026-03-08T10:00:00-05:00"),
        ("2026-03-08T15:00:00.250-05:00", "2026-03-08T15:00:00.250000-05:00"),
    ],
)
def test_a_date_without_time_means_its_end_in_the_patients_zone(text, expected):
    assert moment(text, CHICAGO) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["", "soon", "2026-13", "2026-02-30", None, 7, "2026-03-08Tnoon"])
def test_what_is_no_date_is_no_due_time(text):
    assert moment(text, CHICAGO) is None
    assert due_time({"restriction": {"period": {"end": text}}}, CHICAGO) is None


def test_a_task_on_hold_or_waiting_is_blocked():
    waiting = {
        "coding": [
            {"system": "http://fhirplan.dev/fhir/CodeSystem/cm-business-status", "code": "awaiting-authorization"}
        ]
    }
    assert state(task("on-hold")).blocked
    assert state(task(businessStatus=waiting)).blocked
    assert not state(task("completed", businessStatus=waiting)).blocked
    assert not state(task()).blocked


def test_a_task_is_blocked_until_what_blocks_it_is_over():
    blocked_by = {
        "url": "http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by",
        "valueReference": {"reference": "Task/first"},
    }
    made = task(extension=[blocked_by])
    for status in STATUSES:
        found = state(made, {"Task/first": {"resourceType": "Task", "id": "first", "status": status}})
        assert found.blocked == (status not in TERMINAL)
        assert found.blocked_by == (() if status in TERMINAL else ("Task/first",))
    assert state(made).blocked, "what we do not hold cannot be taken for finished"


def test_a_task_is_blocked_while_its_plan_or_parent_is_on_hold():
    plan = {"resourceType": "CarePlan", "id": "p", "status": "on-hold"}
    request = {"resourceType": "ServiceRequest", "id": "s", "basedOn": [{"reference": "CarePlan/p"}]}
    known = {"CarePlan/p": plan, "ServiceRequest/s": request, "Task/up": task("on-hold")}
    assert state(task(basedOn=[{"reference": "CarePlan/p"}]), known).blocked
    assert state(task(basedOn=[{"reference": "ServiceRequest/s"}]), known).blocked
    assert state(task(partOf=[{"reference": "Task/up"}]), known).blocked
    assert not state(task(basedOn=[{"reference": "CarePlan/p"}]), {"CarePlan/p": {**plan, "status": "active"}}).blocked


def test_the_tasks_of_a_plan_are_found_by_plan_by_request_and_by_parent():
    resources = [
        {"resourceType": "ServiceRequest", "id": "s", "basedOn": [{"reference": "CarePlan/p"}]},
        {**task(basedOn=[{"reference": "CarePlan/p"}]), "id": "direct"},
        {**task(basedOn=[{"reference": "ServiceRequest/s"}]), "id": "request"},
        {**task(partOf=[{"reference": "Task/request"}]), "id": "child"},
        {**task(partOf=[{"reference": "Task/child"}]), "id": "grandchild"},
        {**task(basedOn=[{"reference": "CarePlan/other"}]), "id": "other"},
        {**task("entered-in-error", basedOn=[{"reference": "CarePlan/p"}]), "id": "mistake"},
    ]
    assert {item["id"] for item in tasks_of("p", resources)} == {"direct", "request", "child", "grandchild"}


def test_parts_in_a_circle_end():
    circle = [
        {**task(partOf=[{"reference": "Task/b"}], basedOn=[{"reference": "CarePlan/p"}]), "id": "a"},
        {**task(partOf=[{"reference": "Task/a"}]), "id": "b"},
    ]
    assert len(tasks_of("p", circle)) == 2


def test_containers_and_notices_are_no_work():
    system = "http://fhirplan.dev/fhir/CodeSystem/cm-task-type"
    assert not is_work(task(code={"coding": [{"system": system, "code": "manage-transition"}]}))
    assert is_work(task(code={"coding": [{"system": system, "code": "contact-patient"}]}))
    assert is_work(task())
