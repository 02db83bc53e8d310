"""Subscribers, the changes to be told and their events, on every database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhirplan.store import subscribers
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.subscribers import Subscriber

ORIGIN = Origin("nurse", "t", "api", push=False)
ONE = Subscriber(
    connection="default",
    id="s1",
    type="Goal",
    topic="http://fhirplan.dev/fhir/SubscriptionTopic/Goal",
    filters="[]",
    endpoint="https://agency.example/hook",
    headers=b"sealed",
    media="application/fhir+json",
    content="id-only",
    heartbeat=0,
    timeout=0,
    most=20,
    ends=2**62,
    owner="",
    state="active",
    events=0,
    sent=0,
    due=1000,
    told=1000,
    attempts=0,
)


def write(database: Any, type_: str, id_: str, connection: str = "default") -> None:
    resource = {"resourceType": type_, "id": id_}
    with database.write() as tx:
        commit(tx, connection, [Change("update", type_, id_, resource)], now=2000, origin=ORIGIN)


def noted(database: Any) -> list[tuple[str, str, int]]:
    with database.read() as tx:
        return [(item.type, item.id, item.version) for item in subscribers.noted(tx, "default", 10)]


def test_a_change_is_noted_where_somebody_is_told_of_its_type(database: Any) -> None:
    write(database, "Goal", "before")
    with database.write() as tx:
        subscribers.put(tx, ONE)
        subscribers.put(tx, replace(ONE, id="s2", type="Task", state="off"))
    write(database, "Goal", "g1")
    write(database, "Goal", "g1")
    write(database, "Task", "t1")
    write(database, "Goal", "elsewhere", connection="other")
    assert noted(database) == [("Goal", "g1", 1)], "what changes nothing is no change"


def test_events_are_numbered_for_each_subscriber(database: Any) -> None:
    with database.write() as tx:
        subscribers.put(tx, ONE)
        subscribers.put(tx, replace(ONE, id="s2"))
    for id_ in ("g1", "g2", "g3"):
        write(database, "Goal", id_)
    with database.write() as tx:
        changes = subscribers.noted(tx, "default", 10)
        assert subscribers.add(tx, ONE, changes[:1]) == 1
        assert subscribers.add(tx, ONE, changes[1:]) == 3
        assert subscribers.add(tx, replace(ONE, id="s2"), changes[2:]) == 1
        subscribers.looked_at(tx, changes)
    assert noted(database) == []
    with database.read() as tx:
        assert not subscribers.waits(tx, "default")
        found = subscribers.events(tx, "default", "s1", 2, 3, 10)
        assert [(item.number, item.id) for item in found] == [(2, "g2"), (3, "g3")]
        known = subscribers.get(tx, "default", "s1")
        assert known is not None
        assert (known.events, known.headers) == (3, b"sealed")
    with database.write() as tx:
        assert subscribers.purge(tx, "default", 3000) == 4
        subscribers.remove(tx, "default", "s1")
        assert subscribers.get(tx, "default", "s1") is None


def test_one_worker_at_a_time_sends_until_its_lease_ends(database: Any) -> None:
    with database.write() as tx:
        subscribers.put(tx, replace(ONE, state="requested"))
    with database.read() as tx:
        [due] = subscribers.due(tx, "default", 1000, 10)
        assert subscribers.due(tx, "default", 999, 10) == []
    with database.write() as tx:
        assert subscribers.claim(tx, due, "a", 1000, 2000)
        assert not subscribers.claim(tx, due, "b", 1500, 2500)
        assert subscribers.due(tx, "default", 1500, 10) == []
        assert subscribers.claim(tx, due, "b", 2001, 3000), "a has died"
        assert not subscribers.settle(tx, replace(due, state="active"), "a")
        assert subscribers.settle(tx, replace(due, state="active", told=2500), "b")
        known = subscribers.get(tx, "default", "s1")
        assert known is not None
        assert (known.state, known.told) == ("active", 2500)
        assert subscribers.watched(tx, "default") == {"Goal"}
