"""The outbox: one worker at a time for a resource and for a lane; a lease that ends gives rows back."""

from __future__ import annotations

from fhirplan.store.engine import Database
from fhirplan.store.sync import lanes, leases, outbox

HERE = "default"


def put(database: Database, id_: str, version: int = 1, lane: str = "Patient/p", now: int = 100) -> None:
    with database.write() as tx:
        outbox.put(tx, HERE, "Goal", id_, rid=1, version=version, method="update", lane=lane, now=now)


def claim(database: Database, id_: str, worker: str = "w1", lease: int = 1000) -> tuple[outbox.Entry, ...]:
    with database.write() as tx:
        return leases.claim(tx, HERE, "Goal", id_, worker=worker, lease_until=lease)


def states(database: Database) -> list[tuple[str, int, str]]:
    with database.read() as tx:
        return [(row.id, row.version, row.state) for row in outbox.listed(tx, HERE)]


def test_all_versions_of_a_resource_are_claimed_together(database: Database) -> None:
    put(database, "a", 1)
    put(database, "a", 2)
    assert [(row.version, row.attempts) for row in claim(database, "a")] == [(1, 1), (2, 1)]


def test_a_claimed_resource_is_not_claimed_again_even_when_changed_meanwhile(database: Database) -> None:
    put(database, "a", 1)
    claim(database, "a")
    put(database, "a", 2)
    assert claim(database, "a", "w2") == ()
    assert states(database) == [("a", 1, "claimed"), ("a", 2, "waiting")]


def test_a_lane_is_worked_by_one_worker_at_a_time(database: Database) -> None:
    put(database, "a")
    put(database, "b")
    put(database, "c", lane="Patient/other")
    assert claim(database, "a", "w1")
    assert claim(database, "b", "w2") == ()
    assert claim(database, "c", "w2")
    assert claim(database, "b", "w1")


def test_a_lease_that_has_ended_gives_the_rows_back_with_their_attempts(database: Database) -> None:
    put(database, "a")
    claim(database, "a", lease=1000)
    with database.write() as tx:
        assert leases.sweep(tx, HERE, 1000) == 0
        assert leases.sweep(tx, HERE, 1001) == 1
    assert [row.attempts for row in claim(database, "a", "w2")] == [2]


def test_a_worker_that_lost_its_lease_settles_nothing(database: Database) -> None:
    put(database, "a")
    (row,) = claim(database, "a", "w1", lease=1000)
    with database.write() as tx:
        leases.sweep(tx, HERE, 2000)
    claim(database, "a", "w2")
    with database.write() as tx:
        assert not leases.finish(tx, row, "w1", "done")
        assert leases.finish(tx, row, "w2", "done")
    assert states(database) == []


def test_the_rows_of_a_dead_worker_are_freed_and_no_others(database: Database) -> None:
    put(database, "a")
    put(database, "b", lane="Patient/other")
    claim(database, "a", "dead")
    claim(database, "b", "alive")
    with database.write() as tx:
        assert leases.free(tx, "dead") == 1
    assert states(database) == [("a", 1, "waiting"), ("b", 1, "claimed")]


def test_a_held_resource_is_not_claimed_and_a_parked_one_only_with_a_newer_version(database: Database) -> None:
    put(database, "a", 1)
    (row,) = claim(database, "a")
    with database.write() as tx:
        leases.finish(tx, row, "w1", "parked")
    assert claim(database, "a") == ()
    put(database, "a", 2)
    assert [item.version for item in claim(database, "a")] == [1, 2]
    put(database, "b")
    with database.write() as tx:
        outbox.hold(tx, HERE, "Goal", "b")
    put(database, "b", 2)
    assert claim(database, "b") == ()


def test_what_is_due_comes_in_the_order_it_was_written(database: Database) -> None:
    for id_, now in (("later", 900), ("first", 100), ("second", 200), ("first", 300)):
        put(database, id_, now=now)
    with database.read() as tx:
        assert [item.id for item in lanes.due(tx, HERE, 500, 10)] == ["first", "second"]
        assert leases.has_work(tx, HERE, 500)
        assert not leases.has_work(tx, HERE, 50)


def test_retry_and_park_move_only_what_may_be_moved(database: Database) -> None:
    put(database, "a")
    (row,) = claim(database, "a")
    with database.write() as tx:
        assert not outbox.park(tx, row.oid)
        assert not outbox.retry(tx, row.oid, 1)
        leases.finish(tx, row, "w1", "parked")
        assert outbox.retry(tx, row.oid, 7)
        assert outbox.park(tx, row.oid)
    with database.read() as tx:
        assert dict(outbox.counts(tx, HERE)) == {"parked": 1}
