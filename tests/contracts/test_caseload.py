"""store/coordination/caseload says in SQL what coordination/state computes, at any moment after rows were written."""

import importlib.util
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.coordination.caseload import PlanRow, WorkRow, milliseconds, plan_row, work_rows
from fhirplan.coordination.state import state
from fhirplan.coordination.world import MemoryWorld
from fhirplan.store.coordination import caseload, projection
from fhirplan.store.coordination import caseload_statements as statements
from fhirplan.store.coordination.caseload_rows import EVERYTHING, Wanted

_spec = importlib.util.spec_from_file_location(
    "random_records", Path(__file__).parents[1] / "coordination" / "test_state.py"
)
RANDOM = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(RANDOM)
STATES = {
    "open": "open",
    "overdue": "overdue",
    "due-soon": "due_soon",
    "blocked": "blocked",
    "unassigned": "unassigned",
    "planned": "planned",
}


def written(database, record, at, zone):
    world = MemoryWorld(record)
    found = state(world, world.get("CarePlan/p"), at, zone)
    with database.write() as tx:
        row = plan_row(found, {"resourceType": "Patient", "name": [{"family": "Ng"}]}, zone)
        projection.put(tx, "default", "x", [(replace(row, patient="x"), work_rows(found), None)], milliseconds(at))


@settings(max_examples=60)
@given(RANDOM.records(), st.integers(0, 60 * 24 * 14), st.integers(0, 60 * 24 * 20), st.sampled_from(RANDOM.ZONES))
def test_sql_says_what_the_pure_computation_says(database, record, minute, later, zone_name):
    """The rows are written at one moment and read at another."""
    zone = ZoneInfo(zone_name)
    projected = RANDOM.BEGIN + timedelta(minutes=minute)
    now = projected + timedelta(minutes=later)
    written(database, record, projected, zone)
    world = MemoryWorld(record)
    wanted = state(world, world.get("CarePlan/p"), now, zone)
    at = milliseconds(now)
    with database.read() as tx:
        [row] = caseload.page(tx, "default", EVERYTHING, at, count=10)
        listed = {
            name: {item.task for item in caseload.tasks(tx, "default", EVERYTHING, at, state=name, count=100)}
            for name in STATES
        }
        counted = caseload.counts(tx, "default", EVERYTHING, at)
        kinds = ("critical", "attention", "on-track", "overdue", "unassigned", "blocked", "off-track", "contact-due")
        held = {only for only in kinds if caseload.page(tx, "default", Wanted(only=frozenset({only})), at, count=10)}
    assert row.overall == wanted.overall
    for name, attribute in STATES.items():
        assert listed[name] == {item.task["id"] for item in wanted.having(attribute)}, name
        assert getattr(row, attribute) == getattr(counted, attribute) == len(wanted.having(attribute)), name
    assert row.unacknowledged == counted.unacknowledged == len(wanted.changes)
    dues = [item.state.due for item in wanted.having("open") if item.state.due]
    assert row.due == (milliseconds(min(dues)) if dues else None)
    assert row.referrals == len(wanted.referrals)
    expected = {wanted.overall}
    expected |= {name for name in ("overdue", "unassigned", "blocked") if wanted.having(name)}
    expected |= {"off-track"} if wanted.tracked("off-track") else set()
    late = wanted.next_contact_due is not None and wanted.next_contact_due < now
    expected |= {"contact-due"} if late else set()
    assert held == expected
    assert (counted.contact_due, counted.off_track) == (int(late), int("off-track" in expected))


BASE = datetime(2026, 3, 1, tzinfo=UTC)
NOW = milliseconds(BASE)
HOUR = 3_600_000


def plan(number, **more):
    values = {
        "plan": f"p{number}",
        "patient": f"x{number}",
        "name": f"Name{number:03}",
        "birth": "1950-01-01",
        "title": "Plan",
        "status": "active",
        "lead": "PractitionerRole/lead",
        "acuity": "high",
        "stage": "",
        "risk": "",
        "programs": ("hospice",),
        "settings": ("hospice-agency",),
        "referrals": 0,
        "changes": 0,
        "at_risk": False,
        "off_from": None,
        "high_off_from": None,
        "last_contact": None,
        "contact_due": None,
        "goals_achieved": 0,
    }
    return PlanRow(**{**values, **more})


def work(name, due, **more):
    values = {
        "task": name,
        "title": "Call",
        "type": "contact-patient",
        "status": "ready",
        "priority": "routine",
        "owner": "Practitioner/a",
        "planned": False,
        "blocked": False,
        "unassigned": False,
        "grave": False,
        "due": None if due is None else NOW + due * HOUR,
    }
    return WorkRow(**{**values, **more})


@pytest.fixture
def ask(database):
    with database.write() as tx:
        for row, works in (
            (plan(1, acuity="low", changes=2), [work("t1", 50)]),
            (plan(2, lead="Practitioner/b", programs=("maternity", "hospice")), [work("t2", -5, grave=True)]),
            (plan(3, stage="readmitted", settings=()), [work("t3", None, owner="", unassigned=True)]),
            (plan(4, lead="Practitioner/b", name="O'Neil, Ana"), [work("t4", 10, blocked=True), work("t5", -9)]),
            (plan(5), []),
        ):
            projection.put(tx, "default", row.patient, [(row, works, None)], NOW)
        projection.put(tx, "other", "x1", [(plan(1), [work("t9", -99)], None)], NOW)

    def call(wanted=EVERYTHING, **how):
        with database.read() as tx:
            found = caseload.page(tx, "default", wanted, NOW, **{"count": 10, **how})
            assert caseload.counts(tx, "default", wanted, NOW).plans >= len(found)
        return [row.plan for row in found]

    return call


def test_what_is_due_first_comes_first_and_what_is_never_due_last(ask):
    assert ask() == ["p4", "p2", "p1", "p3", "p5"]
    assert ask(count=2, start=1) == ["p2", "p1"]
    assert ask(order="need") == ["p2", "p3", "p4", "p1", "p5"]
    assert ask(order="name") == ["p1", "p2", "p3", "p5", "p4"]


@pytest.mark.parametrize(
    ("wanted", "plans"),
    [
        (Wanted(program="maternity"), ["p2"]),
        (Wanted(program="hospice", only=frozenset({"overdue"})), ["p4", "p2"]),
        (Wanted(program="hosp"), []),
        (Wanted(setting="hospice-agency", acuity="low"), ["p1"]),
        (Wanted(stage="readmitted"), ["p3"]),
        (Wanted(only=frozenset({"critical"})), ["p2", "p3"]),
        (Wanted(only=frozenset({"unassigned"})), ["p3"]),
        (Wanted(only=frozenset({"unacknowledged"})), ["p1"]),
        (Wanted(only=frozenset({"blocked", "overdue"})), ["p4"]),
        (Wanted(mine=("Practitioner/b", "Practitioner/c")), ["p4", "p2"]),
        (Wanted(mine=("Practitioner/a",)), ["p4", "p2", "p1"]),
        (Wanted(name="o'neil"), ["p4"]),
        (Wanted(name="óNEIL"), []),
        (Wanted(name="ÁNA"), ["p4"]),
        (Wanted(name="%"), []),
        (Wanted(status="on-hold"), []),
    ],
)
def test_each_filter_leaves_what_it_says(ask, wanted, plans):
    assert ask(wanted) == plans


def test_filters_offer_what_there_is(ask, database):
    with database.read() as tx:
        found = caseload.offered(tx, "default")
    assert found["program"] == {"hospice": 5, "maternity": 1}
    assert found["setting"] == {"hospice-agency": 4}
    assert found["stage"] == {"readmitted": 1}


def test_tasks_of_one_owner(ask, database):
    with database.read() as tx:
        found = caseload.tasks(tx, "default", EVERYTHING, NOW, owner="Practitioner/a", count=10)
        late = caseload.tasks(tx, "default", Wanted(only=frozenset({"blocked"})), NOW, state="overdue", count=10)
    assert [(item.task, item.overdue, item.due_soon) for item in found] == [
        ("t5", True, False),
        ("t2", True, False),
        ("t4", False, True),
        ("t1", False, False),
    ]
    assert [item.task for item in late] == ["t5"]


def test_a_counted_page_says_what_page_and_counts_say(database):
    with database.write() as tx:
        for number in range(7):
            projection.put(tx, "default", f"x{number}", [(plan(number), [work(f"t{number}", number)], None)], NOW)
    with database.read() as tx:
        for start in (0, 4, 20):
            rows, counted = caseload.counted_page(tx, "default", EVERYTHING, NOW, count=3, start=start)
            assert rows == caseload.page(tx, "default", EVERYTHING, NOW, count=3, start=start)
            assert counted == caseload.counts(tx, "default", EVERYTHING, NOW)
            assert counted.plans == 7


def test_what_counts_the_work_reads_an_index_alone(database):
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL says it in other words, and chooses by the size of the table")
    with database.read() as tx:
        steps = tx.explain(statements.counted(statements.shape_of(EVERYTHING)), connection="default", now=0, soon=0)
    assert any("COVERING INDEX ix_caseload_work_state" in step for step in steps), steps
