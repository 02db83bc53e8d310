"""projection/project on both databases: computed once, kept current, and by several workers at the same time."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from zoneinfo import ZoneInfo

import pytest

from fhirplan.errors import VersionMismatch
from fhirplan.projection.project import Projecting, project, project_due, waiting
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.coordination import caseload
from fhirplan.store.coordination.caseload_rows import EVERYTHING
from fhirplan.store.coordination.ruled import Rules

NOW = 1_772_400_000_000
ORIGIN = Origin("Practitioner/nurse", "1", "api", push=True)
CATEGORY = {
    "coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-careplan-category", "code": "case-management"}]
}
PLAN = {
    "resourceType": "CarePlan",
    "status": "active",
    "intent": "plan",
    "category": [CATEGORY],
    "subject": {"reference": "Patient/p1"},
}
TASK = {
    "resourceType": "Task",
    "status": "ready",
    "intent": "order",
    "priority": "urgent",
    "basedOn": [{"reference": "CarePlan/cp1"}],
    "for": {"reference": "Patient/p1"},
    "restriction": {"period": {"end": "2026-03-01T10:00:00Z"}},
}


@pytest.fixture
def to(database):
    numbers = itertools.count()
    rules = Rules(ZoneInfo("UTC"), lambda: f"made-{next(numbers)}", {})
    made = Projecting(database, "default", rules, lambda: NOW, push=True)
    write(made, "Patient", "p1", {"resourceType": "Patient"})
    write(made, "CarePlan", "cp1", PLAN)
    write(made, "Task", "t1", TASK)
    return made


def write(to, type_, id_, resource):
    with to.database.write() as tx:
        known = versions.current(tx, "default", type_, id_)
        change = Change("update" if known else "create", type_, id_, resource)
        commit(tx, "default", [change], now=NOW, origin=ORIGIN)


def listed(to):
    with to.database.read() as tx:
        [row] = caseload.page(tx, "default", EVERYTHING, NOW, count=9)
        return row, versions.current(tx, "default", "List", "coord-cp1")


def test_a_state_is_computed_kept_current_and_left_alone(to):
    assert waiting(to)
    assert project_due(to) == 1
    row, made = listed(to)
    assert (row.open, row.overdue, row.overall, made.version) == (1, 1, "critical", 1)
    assert not waiting(to)
    assert project_due(to) == 0
    write(to, "Task", "t1", {**TASK, "note": [{"text": "Called"}]})
    assert project_due(to) == 1
    assert listed(to)[1].version == 1
    write(to, "Task", "t1", {**TASK, "status": "completed"})
    assert project_due(to) == 1
    row, made = listed(to)
    assert (row.open, row.overall, made.version) == (0, "on-track", 2)


def test_several_workers_write_each_list_and_flag_once(to):
    def work(_worker):
        with suppress(VersionMismatch):
            for _ in range(3):
                project(to, "p1")

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    with to.database.read() as tx:
        flags = versions.history_types(tx, "default", ["Flag"], versions.Window(50))
        lists = versions.history_types(tx, "default", ["List"], versions.Window(50))
    assert len(lists) == 1
    assert len(flags) == 1
