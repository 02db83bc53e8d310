"""The outbox by patient: which lanes have something due, and whose chart was opened of late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.sync.outbox import HERE
from fhirplan.store.tables import audit, outbox

_DUE: Final = statement(
    select(outbox.c.type, outbox.c.id, func.max(outbox.c.lane).label("lane"), func.min(outbox.c.oid).label("first"))
    .where(HERE, outbox.c.state == "waiting", outbox.c.due <= bindparam("before"))
    .group_by(outbox.c.type, outbox.c.id)
    .order_by("first")
    .limit(bindparam("count"))
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


def due(tx: Transaction, connection: str, before: int, count: int) -> list[Waiting]:
    """The resources with a change due at or before an instant, the longest waiting first."""
    return [Waiting(row[0], row[1], row[2]) for row in tx.all(_DUE, connection=connection, before=before, count=count)]


def looked_at(tx: Transaction, connection: str, since: int, count: int = 100) -> list[str]:
    """The lanes of the patients whose chart was opened since an instant in milliseconds, the latest first."""
    rows = tx.all(_LOOKED_AT, connection=connection, since=since, count=count)
    return [f"Patient/{row[0]}" for row in rows]
