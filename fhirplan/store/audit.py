"""Keeps who did what to which resource, in the transaction that does it."""

from __future__ import annotations

from typing import Final, Literal

from fhirplan.store import tables
from fhirplan.store.engine import Transaction
from fhirplan.store.statements import insertion

# AuditEvent.action of R4: create, read, update, delete, execute (searches and operations).
Action = Literal["C", "R", "U", "D", "E"]

INSERT: Final = insertion(tables.audit, without=("aid",))


def entry(
    at: int,
    connection: str,
    actor: str,
    action: Action,
    type: str | None,
    id: str | None,
    version: int | None,
    request_id: str,
    outcome: str = "success",
) -> dict[str, object]:
    """The values of one audit row; ``at`` in milliseconds, ids and codes only."""
    return {
        "at": at,
        "connection": connection,
        "actor": actor,
        "action": action,
        "type": type,
        "id": id,
        "version": version,
        "request_id": request_id,
        "outcome": outcome,
    }


def record(tx: Transaction, *entries: dict[str, object]) -> None:
    """Keeps these entries; they are undone with the transaction."""
    tx.many(INSERT, entries)
