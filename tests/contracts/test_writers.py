"""Writers that come at the same moment: one of them wins, and history has no gap, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhirplan.errors import VersionMismatch
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.reindex import reindex

ORIGIN = Origin("a", "b", "api", push=True)
WRITERS = 6


def task(note):
    return {"resourceType": "Task", "status": "requested", "description": note, "for": {"reference": "Patient/p1"}}


@pytest.fixture
def together(database):
    """Lets all writers begin at once and gives what became of each."""
    ready = threading.Barrier(WRITERS)

    def write(change):
        ready.wait(10)
        try:
            with database.write() as tx:
                return commit(tx, "default", [change], now=1, origin=ORIGIN)[0]
        except VersionMismatch as error:
            return error

    def do(changes):
        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(write, changes))

    return do


def winners(found):
    return [item for item in found if isinstance(item, versions.Version)]


def test_of_updates_of_one_version_one_is_made(database, together):
    with database.write() as tx:
        commit(tx, "default", [Change("create", "Task", "t1", task("first"))], now=1, origin=ORIGIN)
    found = together([Change("update", "Task", "t1", task(str(n)), 1) for n in range(WRITERS)])
    assert [item.version for item in winners(found)] == [2]
    with database.read() as tx:
        assert [item.version for item in versions.history(tx, "default", "Task", "t1", count=9)] == [2, 1]


def test_of_creates_of_one_id_one_is_made(database, together):
    found = together([Change("create", "Task", "t1", task(str(n))) for n in range(WRITERS)])
    assert [item.version for item in winners(found)] == [1]


def test_updates_of_any_version_all_count_and_leave_no_gap(database, together):
    with database.write() as tx:
        commit(tx, "default", [Change("create", "Task", "t1", task("first"))], now=1, origin=ORIGIN)
    found = together([Change("update", "Task", "t1", task(str(n))) for n in range(WRITERS)])
    assert sorted(item.version for item in winners(found)) == list(range(2, WRITERS + 2))
    with database.read() as tx:
        kept = versions.history(tx, "default", "Task", "t1", count=20)
    assert [item.version for item in kept] == list(range(WRITERS + 1, 0, -1))
    assert sorted(item.body for item in kept[:-1]) == sorted(item.body for item in winners(found))


def test_first_writers_of_a_type_agree_on_its_parameters(database, together):
    found = together([Change("create", "Task", f"t{n}", task(str(n))) for n in range(WRITERS)])
    again = [
        Change("create", "Task", f"t{n}", task(str(n))) for n, item in enumerate(found) if item not in winners(found)
    ]
    with database.write() as tx:
        commit(tx, "default", again, now=2, origin=ORIGIN)
    with database.read() as tx:
        doubled = tx._driver.execute("SELECT code FROM search_param GROUP BY code HAVING count(*) > 1").fetchall()
    assert doubled == []


def test_indexes_are_made_anew_on_both(database):
    changes = [Change("create", "Task", f"t{n}", task(str(n))) for n in range(7)]
    with database.write() as tx:
        commit(tx, "default", changes, now=1, origin=ORIGIN)
    assert reindex(database, "default", everything=True, batch=3) == 7
    with database.read() as tx:
        assert tx._driver.execute("SELECT count(*) FROM index_reference").fetchone() == (14,)
        assert tx._driver.execute("SELECT count(*) FROM search_param WHERE state <> 'active'").fetchone() == (0,)
