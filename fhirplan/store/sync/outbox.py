"""Changes of ours that the EHR has not taken yet. All rows of one resource are sent as one: its newest version.

A row is waiting until it is due, claimed by one worker for the time of a lease, and then done, waiting again, parked
(the EHR refused it, or cannot take it) or held (a conflict waits for a person). Rows are claimed by conditional UPDATE,
so that two workers never send the same resource, nor two changes of one lane (one patient) at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, null, or_, select, update

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


_COLUMNS: Final = (
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
_HERE: Final = outbox.c.connection == bindparam("connection")
_RESOURCE: Final = (_HERE, outbox.c.type == bindparam("type"), outbox.c.id == bindparam("id"))
_AT: Final = (
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


def _either(*states: str) -> ColumnElement[bool]:
    return or_(*(outbox.c.state == state for state in states))


_INSERT: Final = statement(insert(outbox).values({name: bindparam(name) for name in _NEW}))
_SWEEP: Final = statement(
    update(outbox)
    .where(outbox.c.state == "claimed", outbox.c.lease_until < bindparam("now"))
    .where(outbox.c.connection == bindparam("connection_"))
    .values(state="waiting", claimed_by=null(), lease_until=null())
)
_DUE: Final = statement(
    select(outbox.c.type, outbox.c.id, func.min(outbox.c.oid).label("first"))
    .where(_HERE, outbox.c.state == "waiting", outbox.c.due <= bindparam("before"))
    .group_by(outbox.c.type, outbox.c.id)
    .order_by("first")
    .limit(bindparam("count"))
)
_UNDOABLE: Final = statement(
    select(outbox.c.type, outbox.c.id, func.max(outbox.c.due))
    .where(_HERE, outbox.c.state == "waiting", outbox.c.due > bindparam("now"))
    .where(outbox.c.due > outbox.c.created, outbox.c.attempts == 0)
    .group_by(outbox.c.type, outbox.c.id)
)
_OF: Final = statement(select(*_COLUMNS).where(*_RESOURCE, outbox.c.state != "done").order_by(outbox.c.oid))
_other = outbox.alias("other")
_BUSY: Final = exists().where(
    _other.c.connection == bindparam("connection_"),
    _other.c.state == "claimed",
    _other.c.claimed_by != bindparam("worker"),
    or_(
        _other.c.lane == bindparam("lane_"),
        and_(_other.c.type == bindparam("type_"), _other.c.id == bindparam("id_")),
    ),
)
_CLAIM: Final = statement(
    update(outbox)
    .where(*_AT, _either("waiting", "parked"), ~_BUSY)
    .values(
        state="claimed",
        claimed_by=bindparam("worker"),
        lease_until=bindparam("lease"),
        attempts=outbox.c.attempts + 1,
    )
)
_MINE: Final = statement(
    select(*_COLUMNS)
    .where(*_RESOURCE, outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .order_by(outbox.c.oid)
)
_FINISH: Final = statement(
    update(outbox)
    .where(outbox.c.oid == bindparam("oid_"), outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .values(
        state=bindparam("new"),
        due=bindparam("due"),
        attempts=bindparam("attempts"),
        outcome=bindparam("outcome"),
        claimed_by=null(),
        lease_until=null(),
    )
)
_MOVE: Final = statement(
    update(outbox).where(*_AT, outbox.c.state == bindparam("old")).values(state=bindparam("new"), due=bindparam("due"))
)
_STATES: Final = statement(
    select(outbox.c.type, outbox.c.id, outbox.c.state)
    .where(_HERE, outbox.c.state != "done")
    .group_by(outbox.c.type, outbox.c.id, outbox.c.state)
)
_LISTED: Final = statement(select(*_COLUMNS).where(_HERE, outbox.c.state != "done").order_by(outbox.c.oid))
_BY_OID: Final = statement(select(*_COLUMNS).where(_HERE, outbox.c.oid == bindparam("oid")))
_PARKED: Final = statement(
    update(outbox).where(outbox.c.oid == bindparam("oid_"), _either("waiting", "held")).values(state="parked")
)
_RETRY: Final = statement(
    update(outbox)
    .where(outbox.c.oid == bindparam("oid_"), _either("waiting", "parked"))
    .values(state="waiting", due=bindparam("due"))
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


def sweep(tx: Transaction, connection: str, now: int) -> int:
    """Frees the rows of workers whose lease has ended; gives how many."""
    return tx.run(_SWEEP, connection_=connection, now=now)


_FREE: Final = statement(
    update(outbox)
    .where(outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .values(state="waiting", claimed_by=null(), lease_until=null())
)


def free(tx: Transaction, worker: str) -> int:
    """Frees the rows of a worker that is known to be dead, on all connections; gives how many."""
    return tx.run(_FREE, worker=worker)


_WORK: Final = statement(
    select(outbox.c.oid)
    .where(
        _HERE,
        or_(
            and_(outbox.c.state == "waiting", outbox.c.due <= bindparam("now")),
            outbox.c.state == "claimed",
        ),
    )
    .limit(1)
)


def has_work(tx: Transaction, connection: str, now: int) -> bool:
    """Whether anything is due, or claimed by a worker that may be dead."""
    return tx.one(_WORK, connection=connection, now=now) is not None


def due(tx: Transaction, connection: str, before: int, count: int) -> list[tuple[str, str]]:
    """(type, id) of the resources with a change due at or before an instant, the longest waiting first."""
    return [(row[0], row[1]) for row in tx.all(_DUE, connection=connection, before=before, count=count)]


def undoable(tx: Transaction, connection: str, now: int) -> Mapping[tuple[str, str], int]:
    """Until when each resource waits that has a change which can still be taken back."""
    rows = tx.all(_UNDOABLE, connection=connection, now=now)
    return {(row[0], row[1]): int(row[2]) for row in rows}


def unsettled(tx: Transaction, connection: str, type_: str, id_: str) -> list[Entry]:
    """The rows of a resource that are not done, oldest first."""
    return [_entry(row) for row in tx.all(_OF, connection=connection, type=type_, id=id_)]


def in_doubt(tx: Transaction, connection: str, type_: str, id_: str) -> bool:
    """Whether an earlier attempt to send a resource may have had an effect that nobody here has heard of."""
    rows = unsettled(tx, connection, type_, id_)
    return any(row.attempts > (row.state == "claimed") for row in rows)


def claim(
    tx: Transaction, connection: str, type_: str, id_: str, *, worker: str, lease_until: int, before: int | None = None
) -> tuple[Entry, ...]:
    """Takes all rows of a resource for one worker until ``lease_until``; nothing when they are not to be had.

    A parked row goes along with a newer one that waits, since the newest version is what is sent. Nothing is given
    while the resource is held, or another worker has claimed it or its lane, nor while a change to it can still be
    taken back at the instant ``before``.
    """
    rows = unsettled(tx, connection, type_, id_)
    waiting = [row for row in rows if row.state == "waiting"]
    if not waiting or any(row.state == "held" for row in rows):
        return ()
    if before is not None and any(row.is_undoable(before) for row in waiting):
        return ()
    # Two workers that claim different resources of one lane at the same moment must see each other.
    tx.alone(f"lane {connection} {waiting[-1].lane}")
    tx.run(
        _CLAIM,
        connection_=connection,
        type_=type_,
        id_=id_,
        lane_=waiting[-1].lane,
        worker=worker,
        lease=lease_until,
    )
    return tuple(_entry(row) for row in tx.all(_MINE, connection=connection, type=type_, id=id_, worker=worker))


def finish(tx: Transaction, entry: Entry, worker: str, state: str, *, due: int = 0, outcome: str | None = None) -> bool:
    """Ends a claim with a new state; False when the lease was lost meanwhile."""
    values = {"new": state, "due": due or entry.due, "attempts": entry.attempts, "outcome": outcome}
    return tx.run(_FINISH, oid_=entry.oid, worker=worker, **values) == 1


def hold(tx: Transaction, connection: str, type_: str, id_: str) -> None:
    """Keeps the waiting changes of a resource back until its conflict is resolved."""
    move(tx, connection, type_, id_, "waiting", "held", 0)


def move(tx: Transaction, connection: str, type_: str, id_: str, state: str, to: str, now: int) -> int:
    """Moves the changes of a resource that are in one state to another, due now; gives how many."""
    return tx.run(_MOVE, connection_=connection, type_=type_, id_=id_, old=state, new=to, due=now)


def counts(tx: Transaction, connection: str) -> Mapping[str, int]:
    """How many resources have changes in each unsettled state."""
    return Counter(str(row[2]) for row in tx.all(_STATES, connection=connection))


def listed(tx: Transaction, connection: str) -> list[Entry]:
    """All rows that are not done, oldest first."""
    return [_entry(row) for row in tx.all(_LISTED, connection=connection)]


def get(tx: Transaction, connection: str, oid: int) -> Entry | None:
    """The row of that number, or None."""
    row = tx.one(_BY_OID, connection=connection, oid=oid)
    return _entry(row) if row else None


def retry(tx: Transaction, oid: int, now: int) -> bool:
    """Makes a waiting or parked row due now; False when it is in another state."""
    return tx.run(_RETRY, oid_=oid, due=now) == 1


def park(tx: Transaction, oid: int) -> bool:
    """Puts a waiting or held row aside; False when it is in another state."""
    return tx.run(_PARKED, oid_=oid) == 1


def _entry(row: Row) -> Entry:
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
