"""How far each type has been pulled from the EHR."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, insert, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import checkpoint

_GET: Final = statement(
    select(checkpoint.c.since).where(
        checkpoint.c.connection == bindparam("connection"), checkpoint.c.type == bindparam("type")
    )
)
_UPDATE: Final = statement(
    update(checkpoint)
    .where(checkpoint.c.connection == bindparam("connection_"), checkpoint.c.type == bindparam("type_"))
    .values(since=bindparam("since"), updated=bindparam("updated"))
)
_INSERT: Final = statement(insert(checkpoint).values({column.name: bindparam(column.name) for column in checkpoint.c}))


def get(tx: Transaction, connection: str, type_: str) -> str:
    """The newest ``meta.lastUpdated`` that was pulled, as the EHR spelled it; "" when nothing was."""
    row = tx.one(_GET, connection=connection, type=type_)
    return str(row[0]) if row else ""


def put(tx: Transaction, connection: str, type_: str, since: str, now: int) -> None:
    """Moves the checkpoint of a type."""
    if not tx.run(_UPDATE, connection_=connection, type_=type_, since=since, updated=now):
        tx.run(_INSERT, connection=connection, type=type_, since=since, updated=now)
