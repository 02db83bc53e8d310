"""Keeps who is told of changes, the changes that were not looked at yet, and the numbered events of each subscriber."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import and_, bindparam, delete, func, null, or_, select, update

from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import subscriber, subscription_event, told_change

SubscriberState = Literal["requested", "active", "error", "off"]
Content = Literal["", "empty", "id-only", "full-resource"]

_s: Final = subscriber.c
_e: Final = subscription_event.c
_HERE: Final = _s.connection == bindparam("connection_")
_THIS: Final = and_(_HERE, _s.id == bindparam("id_"))
_MINE: Final = and_(_THIS, _s.claimed_by == bindparam("worker"))
_NEW: Final = insertion(subscriber, without=("claimed_by", "lease_until"))
_COLUMNS: Final = tuple(column for column in _s if column.name not in ("claimed_by", "lease_until"))
_GET: Final = statement(select(*_COLUMNS).where(_THIS))
_ALL: Final = statement(select(*_COLUMNS).where(_HERE).order_by(_s.id))
# Every write asks this: to leave out what comes twice is cheaper here than in the database.
_WATCHED: Final = statement(select(_s.type).where(_HERE, _s.state == "active"))
_WATCHING: Final = statement(
    select(*_COLUMNS).where(_HERE, _s.state == "active", _s.type == bindparam("type_")).order_by(_s.id)
)
_REMOVE: Final = statement(delete(subscriber).where(_THIS))
_FORGET: Final = statement(
    delete(subscription_event).where(_e.connection == bindparam("connection_"), _e.subscription == bindparam("id_"))
)
_FREE: Final = or_(_s.claimed_by.is_(None), _s.lease_until < bindparam("now"))
_LIVE: Final = or_(_s.state == "requested", _s.state == "active")
_PENDING: Final = or_(_s.state == "requested", _s.events > _s.sent, _s.heartbeat > 0, _s.ends <= bindparam("now"))
_DUE: Final = statement(
    select(*_COLUMNS)
    .where(_HERE, _LIVE, _PENDING, _s.due <= bindparam("now"), _FREE)
    .order_by(_s.due, _s.id)
    .limit(bindparam("count"))
)
_CLAIM: Final = statement(
    update(subscriber).where(_THIS, _LIVE, _FREE).values(claimed_by=bindparam("worker"), lease_until=bindparam("lease"))
)
_SETTLE: Final = statement(
    update(subscriber)
    .where(_MINE)
    .values(
        {name: bindparam(f"new_{name}") for name in ("state", "sent", "due", "told", "attempts")}
        | {"claimed_by": null(), "lease_until": null()}
    )
)
_COUNTED: Final = statement(update(subscriber).where(_THIS).values(events=bindparam("number")))
_CHANGES: Final = statement(
    select(*told_change.c)
    .where(told_change.c.connection == bindparam("connection_"))
    .order_by(told_change.c.cid)
    .limit(bindparam("count"))
)
_ANY_CHANGE: Final = statement(
    select(told_change.c.cid).where(told_change.c.connection == bindparam("connection_")).limit(1)
)
_LOOKED: Final = statement(delete(told_change).where(told_change.c.cid == bindparam("cid_")))
_EVENT: Final = insertion(subscription_event)
_EVENTS: Final = statement(
    select(*subscription_event.c)
    .where(
        _e.connection == bindparam("connection_"),
        _e.subscription == bindparam("id_"),
        _e.number >= bindparam("first"),
        _e.number <= bindparam("last"),
    )
    .order_by(_e.number)
    .limit(bindparam("count"))
)
_OLD: Final = statement(
    delete(subscription_event).where(_e.connection == bindparam("connection_"), _e.at < bindparam("before"))
)
_OF_CLIENT: Final = statement(
    select(func.count()).select_from(subscriber).where(_HERE, _s.state != "off", _s.owner == bindparam("owner_"))
)
NOTE: Final = insertion(told_change, without=("cid",))
"""Notes a change that somebody may have to be told of: connection, type, id, version, at (ms)."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What a Subscription asks for, and how far its telling has come.

    ``topic`` is "" where it follows a search of its own; ``filters`` is JSON, an array of [name, value]. ``headers``
    are sealed. ``media`` is the MIME type of the payload, "" for none; ``content`` how much of it there is, "" where
    there is no topic. ``heartbeat`` and ``timeout`` are seconds, 0 for none; ``most`` is how many events one
    notification may hold. ``ends``, ``due`` and ``told`` are ms since 1970. ``owner`` is what ``notify`` checks it by.
    """

    connection: str
    id: str
    type: str
    topic: str
    filters: str
    endpoint: str
    headers: bytes
    media: str
    content: Content
    heartbeat: int
    timeout: int
    most: int
    ends: int
    owner: str
    state: SubscriberState
    events: int
    sent: int
    due: int
    told: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Noted:
    """A change that was not looked at yet."""

    cid: int
    type: str
    id: str
    version: int
    at: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a subscriber: a version of a resource, and when it was made (ms)."""

    number: int
    type: str
    id: str
    version: int
    at: int


def get(tx: Transaction, connection: str, id: str) -> Subscriber | None:
    """The subscriber of that Subscription, or None."""
    row = tx.one(_GET, connection_=connection, id_=id)
    return _subscriber(row) if row is not None else None


def listed(tx: Transaction, connection: str) -> list[Subscriber]:
    """All subscribers of a connection."""
    return [_subscriber(row) for row in tx.all(_ALL, connection_=connection)]


def put(tx: Transaction, one: Subscriber) -> None:
    """Keeps a subscriber, in place of the one before; whoever works on that one has lost it."""
    tx.run(_REMOVE, connection_=one.connection, id_=one.id)
    tx.run(_NEW, **{name: getattr(one, name) for name in Subscriber.__slots__})


def remove(tx: Transaction, connection: str, id: str) -> None:
    """Forgets a subscriber and its events."""
    tx.run(_REMOVE, connection_=connection, id_=id)
    tx.run(_FORGET, connection_=connection, id_=id)


def count_of(tx: Transaction, connection: str, owner: str) -> int:
    """How many subscribers of an owner are not off."""
    row = tx.one(_OF_CLIENT, connection_=connection, owner_=owner)
    return int(row[0]) if row else 0


def watched(tx: Transaction, connection: str) -> frozenset[str]:
    """The types of whose changes somebody is told."""
    return frozenset(row[0] for row in tx.all(_WATCHED, connection_=connection))


def watching(tx: Transaction, connection: str, type: str) -> list[Subscriber]:
    """Who is told of changes to a type."""
    return [_subscriber(row) for row in tx.all(_WATCHING, connection_=connection, type_=type)]


def due(tx: Transaction, connection: str, now: int, count: int) -> list[Subscriber]:
    """Those for whom something is to be sent now, and whom nobody works on; the longest waiting first."""
    return [_subscriber(row) for row in tx.all(_DUE, connection_=connection, now=now, count=count)]


def claim(tx: Transaction, one: Subscriber, worker: str, now: int, lease_until: int) -> bool:
    """Takes a subscriber for a worker until an instant (ms); False when another one has it."""
    found = tx.run(_CLAIM, connection_=one.connection, id_=one.id, worker=worker, now=now, lease=lease_until)
    return found == 1


def settle(tx: Transaction, one: Subscriber, worker: str) -> bool:
    """Keeps the state, ``sent``, ``due``, ``told`` and ``attempts`` of a claimed subscriber, and gives it back.

    False when the claim was lost meanwhile; then nothing is kept.
    """
    new = {f"new_{name}": getattr(one, name) for name in ("state", "sent", "due", "told", "attempts")}
    return tx.run(_SETTLE, connection_=one.connection, id_=one.id, worker=worker, **new) == 1


def noted(tx: Transaction, connection: str, count: int) -> list[Noted]:
    """The changes that were not looked at yet, the oldest first."""
    rows = tx.all(_CHANGES, connection_=connection, count=count)
    return [Noted(row[0], row[2], row[3], row[4], row[5]) for row in rows]


def waits(tx: Transaction, connection: str) -> bool:
    """Whether there is a change that was not looked at yet."""
    return tx.one(_ANY_CHANGE, connection_=connection) is not None


def looked_at(tx: Transaction, changes: Iterable[Noted]) -> None:
    """Forgets changes that were looked at."""
    tx.many(_LOOKED, [{"cid_": item.cid} for item in changes])


def add(tx: Transaction, one: Subscriber, changes: Sequence[Noted]) -> int:
    """Gives a subscriber the next events; gives the number of the last. Call it with other fan-outs kept out."""
    known = get(tx, one.connection, one.id)
    if known is None:
        return one.events
    names = {"connection": one.connection, "subscription": one.id}
    rows = [
        {**names, "number": known.events + place, "type": c.type, "id": c.id, "version": c.version, "at": c.at}
        for place, c in enumerate(changes, 1)
    ]
    tx.many(_EVENT, rows)
    tx.run(_COUNTED, connection_=one.connection, id_=one.id, number=known.events + len(rows))
    return known.events + len(rows)


def events(tx: Transaction, connection: str, id: str, first: int, last: int, count: int) -> list[Event]:
    """The events of a subscriber from a number to a number, both counted in."""
    rows = tx.all(_EVENTS, connection_=connection, id_=id, first=first, last=last, count=count)
    return [Event(row[2], row[3], row[4], row[5], row[6]) for row in rows]


def purge(tx: Transaction, connection: str, before: int) -> int:
    """Forgets events of before an instant (ms); gives how many."""
    return tx.run(_OLD, connection_=connection, before=before)


def _subscriber(row: Row) -> Subscriber:
    values = dict(zip((column.name for column in _COLUMNS), row, strict=True))
    return Subscriber(**{**values, "headers": bytes(values["headers"])})
