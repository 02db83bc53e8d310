"""The outbox by patient: which lanes have something due, and how a worker keeps, gives back and forgets its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, func, null, or_, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import audit, outbox

_HERE: Final = outbox.c.connection == bindparam("connection")
_DUE: Final = statement(
    select(outbox.c.type, outbox.c.id, func.max(outbox.c.lane).label("lane"), func.min(outbox.c.oid).label("first"))
    .where(_HERE, outbox.c.state == "waiting", outbox.c.due <= bindparam("before"))
    .group_by(outbox.c.type, outbox.c.id)
    .order_by("first")
    .limit(bindparam("count"))
)
_HELD: Final = statement(
    select(func.min(outbox.c.lease_until)).where(
        _HERE, outbox.c.state == "claimed", outbox.c.claimed_by == bindparam("worker")
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
_OLD: Final = statement(
    delete(outbox).where(
        outbox.c.oid.in_(
            select(outbox.c.oid)
            .where(_HERE, outbox.c.state == "done", outbox.c.due < bindparam("before"))
            .limit(bindparam("count"))
        )
    )
)
_STANDING: Final = statement(
    select(outbox.c.state, func.count(), func.min(outbox.c.created))
    .where(_HERE, or_(*(outbox.c.state == state for state in ("waiting", "claimed", "parked", "held"))))
    .group_by(outbox.c.state)
)
# Whoever opens a chart, ours or another app's, reads the Patient first.
_LOOKED_AT: Final = statement(
    select(audit.c.id)
    .where(
        audit.c.connection == bindparam("connection"),
        audit.c.at >= bindparam("since"),
        audit.c.action == "R",
        audit.c.type == "Patient",
        audit.c.id.is_not(None),
    )
    .group_by(audit.c.id)
    .order_by(func.max(audit.c.aid).desc())
    .limit(bindparam("count"))
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One resource with changes that are due, and whose patient's it is ("Patient/x", "" for nobody's)."""

    type: str
    id: str
    lane: str


@dataclass(frozen=True, slots=True)
class Depth:
    """How many changes are in one state, and since when the oldest is there, in milliseconds since 1970."""

    count: int
    oldest: int


def due(tx: Transaction, connection: str, before: int, count: int) -> list[Waiting]:
    """The resources with a change due at or before an instant, the longest waiting first."""
    return [Waiting(row[0], row[1], row[2]) for row in tx.all(_DUE, connection=connection, before=before, count=count)]


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


def purge(tx: Transaction, connection: str, before: int, count: int = 1000) -> int:
    """Removes at most ``count`` rows that were done before an instant; gives how many. Their receipts stay."""
    return tx.run(_OLD, connection=connection, before=before, count=count)


def depth(tx: Transaction, connection: str) -> Mapping[str, Depth]:
    """How many changes wait, are claimed, parked or held, each with the age of the oldest; no entry for none."""
    return {row[0]: Depth(int(row[1]), int(row[2])) for row in tx.all(_STANDING, connection=connection)}


def looked_at(tx: Transaction, connection: str, since: int, count: int = 100) -> list[str]:
    """The lanes of the patients whose chart was opened since an instant in milliseconds, the latest first."""
    rows = tx.all(_LOOKED_AT, connection=connection, since=since, count=count)
    return [f"Patient/{row[0]}" for row in rows]
