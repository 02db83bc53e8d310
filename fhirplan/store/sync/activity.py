"""Counts what the passes of each connection did, over all workers of all machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, insert, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import activity

_GET: Final = statement(
    select(activity.c.calls, activity.c.errors, activity.c.pulled, activity.c.pushed).where(
        activity.c.connection == bindparam("connection")
    )
)
_INSERT: Final = statement(insert(activity).values({column.name: bindparam(column.name) for column in activity.c}))
_UPDATE: Final = statement(
    update(activity)
    .where(activity.c.connection == bindparam("connection_"))
    .values(
        calls=activity.c.calls + bindparam("calls"),
        errors=activity.c.errors + bindparam("errors"),
        pulled=func.coalesce(bindparam("pulled"), activity.c.pulled),
        pushed=func.coalesce(bindparam("pushed"), activity.c.pushed),
    )
)


@dataclass(frozen=True, slots=True)
class Activity:
    """Calls made and failed since the database was made, and when the last pull and push ended (ms; 0: never)."""

    calls: int = 0
    errors: int = 0
    pulled: int = 0
    pushed: int = 0


def of(tx: Transaction, connection: str) -> Activity:
    """What a connection's passes did."""
    row = tx.one(_GET, connection=connection)
    return Activity(*(int(item) for item in row)) if row else Activity()


def add(tx: Transaction, connection: str, done: Activity) -> None:
    """Adds calls and errors; a time that is 0 leaves the one that is known."""
    tx.alone(f"activity {connection}")
    values = {"calls": done.calls, "errors": done.errors}
    times = {"pulled": done.pulled or None, "pushed": done.pushed or None}
    if not tx.run(_UPDATE, connection_=connection, **values, **times):
        tx.run(_INSERT, connection=connection, **values, pulled=done.pulled, pushed=done.pushed)
