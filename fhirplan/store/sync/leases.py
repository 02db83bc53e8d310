"""Gives changes that are due to one worker at a time, for the time of a lease.

All rows of one resource are sent as one: its newest version. Rows are claimed by conditional UPDATE, so that two
workers never send the same resource, nor two changes of one lane (one patient) at once.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, bindparam, exists, func, null, or_, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.sync.outbox import AT, COLUMNS, HERE, RESOURCE, Entry, either, entry, unsettled
from fhirplan.store.tables import outbox

_SWEEP: Final = statement(
    update(outbox)
    .where(outbox.c.state == "claimed", outbox.c.lease_until < bindparam("now"))
    .where(outbox.c.connection == bindparam("connection_"))
    .values(state="waiting", claimed_by=null(), lease_until=null())
)
_FREE: Final = statement(
    update(outbox)
    .where(outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .values(state="waiting", claimed_by=null(), lease_until=null())
)
_WORK: Final = statement(
    select(outbox.c.oid)
    .where(
        HERE,
        or_(
            and_(outbox.c.state == "waiting", outbox.c.due <= bindparam("now")),
            outbox.c.state == "claimed",
        ),
    )
    .limit(1)
)
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
    .where(*AT, either("waiting", "parked"), ~_BUSY)
    .values(
        state="claimed",
        claimed_by=bindparam("worker"),
        lease_until=bindparam("lease"),
        attempts=outbox.c.attempts + 1,
    )
)
_MINE: Final = statement(
    select(*COLUMNS)
    .where(*RESOURCE, outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
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
_HELD: Final = statement(
    select(func.min(outbox.c.lease_until)).where(
        HERE, outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker")
    )
)
_RENEW: Final = statement(
    update(outbox)
    .where(outbox.c.connection == bindparam("connection_"))
    .where(outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .values(lease_until=bindparam("lease"))
)
_RELEASE: Final = statement(
    update(outbox)
    .where(outbox.c.oid == bindparam("oid_"), outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker"))
    .values(state="waiting", attempts=outbox.c.attempts - 1, claimed_by=null(), lease_until=null())
)


def has_work(tx: Transaction, connection: str, now: int) -> bool:
    """Whether anything is due, or claimed by a worker that may be dead."""
    return tx.one(_WORK, connection=connection, now=now) is not None


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
    return tuple(entry(row) for row in tx.all(_MINE, connection=connection, type=type_, id=id_, worker=worker))


def finish(tx: Transaction, row: Entry, worker: str, state: str, *, due: int = 0, outcome: str | None = None) -> bool:
    """Ends a claim with a new state; False when the lease was lost meanwhile."""
    values = {"new": state, "due": due or row.due, "attempts": row.attempts, "outcome": outcome}
    return tx.run(_FINISH, oid_=row.oid, worker=worker, **values) == 1


def held_until(tx: Transaction, connection: str, worker: str) -> int:
    """When the first of a worker's claims ends, in milliseconds since 1970; 0 when it has none."""
    row = tx.one(_HELD, connection=connection, worker=worker)
    return int(row[0]) if row and row[0] else 0


def renew(tx: Transaction, connection: str, worker: str, lease_until: int) -> int:
    """Prolongs all claims of a worker; gives how many rows it still has."""
    return tx.run(_RENEW, connection_=connection, worker=worker, lease=lease_until)


def release(tx: Transaction, oid: int, worker: str) -> bool:
    """Gives a claimed row back as if it had not been claimed; False when the lease was lost meanwhile."""
    return tx.run(_RELEASE, oid_=oid, worker=worker) == 1


def sweep(tx: Transaction, connection: str, now: int) -> int:
    """Frees the rows of workers whose lease has ended; gives how many."""
    return tx.run(_SWEEP, connection_=connection, now=now)


def free(tx: Transaction, worker: str) -> int:
    """Frees the rows of a worker that is known to be dead, on all connections; gives how many."""
    return tx.run(_FREE, worker=worker)
