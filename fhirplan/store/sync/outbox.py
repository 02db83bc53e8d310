"""Changes of ours that the EHR has not taken yet: what is put there, what waits, and what a person may do to it.

A row is waiting until it is due, claimed by one worker for the time of a lease (``leases``), and then done, waiting
again, parked (the EHR refused it, or cannot take it) or held (a conflict waits for a person).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, or_, select, update

from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.tables import outbox


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; ``outcome`` is the EHR's OperationOutcome JSON of the last failure, or None."""

    oid: int
    type: str
    id: str
    rid: int
    version: int
    method: str
    lane: str
    created: int
    due: int
    attempts: int
    state: str
    outcome: str | None

    def is_undoable(self, at: int) -> bool:
        """Whether whoever wrote it may still take it back at an instant: until it is due, and was tried once."""
        return self.created < self.due and at < self.due and not self.attempts


@dataclass(frozen=True, slots=True)
class Depth:
    """How many changes are in one state, and since when the oldest is there, in milliseconds since 1970."""

    count: int
    oldest: int


COLUMNS: Final = (
    outbox.c.oid,
    outbox.c.type,
    outbox.c.id,
    outbox.c.rid,
    outbox.c.version,
    outbox.c.method,
    outbox.c.lane,
    outbox.c.created,
    outbox.c.due,
    outbox.c.attempts,
    outbox.c.state,
    outbox.c.outcome,
)
HERE: Final = outbox.c.connection == bindparam("connection")
RESOURCE: Final = (HERE, outbox.c.type == bindparam("type"), outbox.c.id == bindparam("id"))
AT: Final = (
    outbox.c.connection == bindparam("connection_"),
    outbox.c.type == bindparam("type_"),
    outbox.c.id == bindparam("id_"),
)
_NEW: Final = (
    "connection",
    "type",
    "id",
    "rid",
    "version",
    "method",
    "lane",
    "created",
    "due",
    "attempts",
    "state",
)


def either(*states: str) -> ColumnElement[bool]:
    """The condition that a row is in one of these states."""
    return or_(*(outbox.c.state == state for state in states))


_INSERT: Final = statement(insert(outbox).values({name: bindparam(name) for name in _NEW}))
_UNDOABLE: Final = statement(
    select(outbox.c.type, outbox.c.id, func.max(outbox.c.due))
    .where(HERE, outbox.c.state == "waiting", outbox.c.due > bindparam("now"))
    .where(outbox.c.due > outbox.c.created, outbox.c.attempts == 0)
    .group_by(outbox.c.type, outbox.c.id)
)
_OF: Final = statement(select(*COLUMNS).where(*RESOURCE, outbox.c.state != "done").order_by(outbox.c.oid))
_MOVE: Final = statement(
    update(outbox).where(*AT, outbox.c.state == bindparam("old")).values(state=bindparam("new"), due=bindparam("due"))
)
_STATES: Final = statement(
    select(outbox.c.type, outbox.c.id, outbox.c.state)
    .where(HERE, outbox.c.state != "done")
    .group_by(outbox.c.type, outbox.c.id, outbox.c.state)
)
_LISTED: Final = statement(select(*COLUMNS).where(HERE, outbox.c.state != "done").order_by(outbox.c.oid))
_BY_OID: Final = statement(select(*COLUMNS).where(HERE, outbox.c.oid == bindparam("oid")))
_PARKED: Final = statement(
    update(outbox).where(outbox.c.oid == bindparam("oid_"), either("waiting", "held")).values(state="parked")
)
_RETRY: Final = statement(
    update(outbox)
    .where(outbox.c.oid == bindparam("oid_"), either("waiting", "parked"))
    .values(state="waiting", due=bindparam("due"))
)
_OLD: Final = statement(
    delete(outbox).where(
        outbox.c.oid.in_(
            select(outbox.c.oid)
            .where(HERE, outbox.c.state == "done", outbox.c.due < bindparam("before"))
            .limit(bindparam("count"))
        )
    )
)
_STANDING: Final = statement(
    select(outbox.c.state, func.count(), func.min(outbox.c.created))
    .where(HERE, or_(*(outbox.c.state == state for state in ("waiting", "claimed", "parked", "held"))))
    .group_by(outbox.c.state)
)


def put(
    tx: Transaction, connection: str, type_: str, id_: str, *, rid: int, version: int, method: str, lane: str, now: int
) -> None:
    """Adds a change that is due at once."""
    tx.run(
        _INSERT,
        connection=connection,
        type=type_,
        id=id_,
        rid=rid,
        version=version,
        method=method,
        lane=lane,
        created=now,
        due=now,
        attempts=0,
        state="waiting",
    )


def undoable(tx: Transaction, connection: str, now: int) -> Mapping[tuple[str, str], int]:
    """Until when each resource waits that has a change which can still be taken back."""
    rows = tx.all(_UNDOABLE, connection=connection, now=now)
    return {(row[0], row[1]): int(row[2]) for row in rows}


def unsettled(tx: Transaction, connection: str, type_: str, id_: str) -> list[Entry]:
    """The rows of a resource that are not done, oldest first."""
    return [entry(row) for row in tx.all(_OF, connection=connection, type=type_, id=id_)]


def in_doubt(tx: Transaction, connection: str, type_: str, id_: str) -> bool:
    """Whether an earlier attempt to send a resource may have had an effect that nobody here has heard of."""
    rows = unsettled(tx, connection, type_, id_)
    return any(row.attempts > (row.state == "claimed") for row in rows)


def hold(tx: Transaction, connection: str, type_: str, id_: str) -> None:
    """Keeps the waiting changes of a resource back until its conflict is resolved."""
    move(tx, connection, type_, id_, "waiting", "held", 0)


def move(tx: Transaction, connection: str, type_: str, id_: str, state: str, to: str, now: int) -> int:
    """Moves the changes of a resource that are in one state to another, due now; gives how many."""
    return tx.run(_MOVE, connection_=connection, type_=type_, id_=id_, old=state, new=to, due=now)


def counts(tx: Transaction, connection: str) -> Mapping[str, int]:
    """How many resources have changes in each unsettled state."""
    return Counter(str(row[2]) for row in tx.all(_STATES, connection=connection))


def purge(tx: Transaction, connection: str, before: int, count: int = 1000) -> int:
    """Removes at most ``count`` rows that were done before an instant; gives how many. Their receipts stay."""
    return tx.run(_OLD, connection=connection, before=before, count=count)


def depth(tx: Transaction, connection: str) -> Mapping[str, Depth]:
    """How many changes wait, are claimed, parked or held, each with the age of the oldest; no entry for none."""
    return {row[0]: Depth(int(row[1]), int(row[2])) for row in tx.all(_STANDING, connection=connection)}


def listed(tx: Transaction, connection: str) -> list[Entry]:
    """All rows that are not done, oldest first."""
    return [entry(row) for row in tx.all(_LISTED, connection=connection)]


def get(tx: Transaction, connection: str, oid: int) -> Entry | None:
    """The row of that number, or None."""
    row = tx.one(_BY_OID, connection=connection, oid=oid)
    return entry(row) if row else None


def retry(tx: Transaction, oid: int, now: int) -> bool:
    """Makes a waiting or parked row due now; False when it is in another state."""
    return tx.run(_RETRY, oid_=oid, due=now) == 1


def park(tx: Transaction, oid: int) -> bool:
    """Puts a waiting or held row aside; False when it is in another state."""
    return tx.run(_PARKED, oid_=oid) == 1


def entry(row: Row) -> Entry:
    """A row of ``COLUMNS`` as an Entry."""
    oid, type_, id_, rid, version, method, lane, created, due_, attempts, state, outcome = row
    return Entry(
        int(oid),
        type_,
        id_,
        int(rid),
        int(version),
        method,
        lane,
        int(created),
        int(due_),
        int(attempts),
        state,
        outcome,
    )
