"""How a connection stands: what waits to be sent and for how long, what is in conflict, how far each type is pulled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.sync import activity, conflicts, refusals
from fhirplan.store.sync.activity import Activity
from fhirplan.store.tables import checkpoint, notice, outbox

_DEPTH: Final = statement(
    select(outbox.c.state, func.count(), func.min(outbox.c.created))
    .where(outbox.c.connection == bindparam("connection"), outbox.c.state != "done")
    .group_by(outbox.c.state)
)
_NOTICES: Final = statement(
    select(func.count(), func.min(notice.c.at)).where(notice.c.connection == bindparam("connection"))
)
_CHECKPOINTS: Final = statement(
    select(checkpoint.c.type, checkpoint.c.updated)
    .where(checkpoint.c.connection == bindparam("connection"))
    .order_by(checkpoint.c.type)
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One connection. ``outbox`` gives how many entries are in each state and when the oldest was made (ms)."""

    outbox: Mapping[str, tuple[int, int]]
    conflicts: int
    refusals: int
    notices: int
    oldest_notice: int
    checkpoints: Mapping[str, int]
    activity: Activity


def of(tx: Transaction, connection: str) -> Standing:
    """How a connection stands now, by a few looks at indexes."""
    row = tx.one(_NOTICES, connection=connection) or (0, None)
    return Standing(
        outbox={str(s): (int(n), int(oldest)) for s, n, oldest in tx.all(_DEPTH, connection=connection)},
        conflicts=conflicts.count(tx, connection),
        refusals=refusals.count(tx, connection),
        notices=int(row[0]),
        oldest_notice=int(row[1] or 0),
        checkpoints={str(t): int(at) for t, at in tx.all(_CHECKPOINTS, connection=connection)},
        activity=activity.of(tx, connection),
    )
