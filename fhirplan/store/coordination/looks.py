"""Remembers how far a viewer has seen a patient's changes, and lists the changes made since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, func, or_, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import audit, look

_MINE: Final = (
    look.c.connection == bindparam("connection"),
    look.c.viewer == bindparam("viewer"),
    look.c.patient == bindparam("patient"),
)
_GET: Final = statement(select(look.c.until, look.c.more, look.c.at).where(*_MINE))
_DELETE: Final = statement(delete(look).where(*_MINE))
_INSERT: Final = insertion(look)
_CHANGES: Final = statement(
    select(audit.c.aid, audit.c.at, audit.c.actor, audit.c.action, audit.c.type, audit.c.id, audit.c.version)
    .where(
        audit.c.connection == bindparam("connection"),
        audit.c.patient == bindparam("patient"),
        audit.c.aid > bindparam("after"),
        audit.c.at >= bindparam("since"),
        or_(*(audit.c.action == action for action in ("C", "U", "D"))),
        audit.c.outcome == "success",
    )
    .order_by(audit.c.aid.desc())
    .limit(bindparam("count"))
)
_NEWEST: Final = statement(
    select(func.max(audit.c.aid)).where(
        audit.c.connection == bindparam("connection"), audit.c.patient == bindparam("patient")
    )
)


@dataclass(frozen=True, slots=True)
class Look:
    """How far somebody has seen: every change up to number ``until``, the later ones in ``more``, as of ``at`` (ms)."""

    until: int = 0
    more: frozenset[int] = frozenset()
    at: int = 0

    def seen(self, number: int) -> bool:
        """Whether the change of that number has been seen."""
        return number <= self.until or number in self.more


@dataclass(frozen=True, slots=True)
class Changed:
    """One stored change: its number, when (ms), who (``ehr`` for what came from there), what was done to what."""

    number: int
    at: int
    actor: str
    action: str
    type: str
    id: str
    version: int


def of(tx: Transaction, connection: str, viewer: str, patient: str) -> Look:
    """How far this viewer has seen this patient's changes; nothing for one who never marked any."""
    row = tx.one(_GET, connection=connection, viewer=viewer, patient=patient)
    return Look(int(row[0]), frozenset(json.loads(row[1])), int(row[2])) if row else Look()


def keep(tx: Transaction, connection: str, viewer: str, patient: str, seen: Look) -> None:
    """Remembers it in place of what was remembered."""
    named = {"connection": connection, "viewer": viewer, "patient": patient}
    more = sorted(number for number in seen.more if number > seen.until)
    tx.run(_DELETE, **named)
    tx.many(_INSERT, [{**named, "until": seen.until, "more": json.dumps(more), "at": seen.at}])


def newest(tx: Transaction, connection: str, patient: str) -> int:
    """The number of the patient's newest audit row, 0 where there is none."""
    row = tx.one(_NEWEST, connection=connection, patient=patient)
    return int(row[0] or 0) if row else 0


def changes(
    tx: Transaction, connection: str, patient: str, *, after: int = 0, since: int = 0, count: int
) -> list[Changed]:
    """At most ``count`` changes of the patient's resources, newest first: later than number ``after`` and than
    ``since`` (ms since 1970)."""
    rows = tx.all(_CHANGES, connection=connection, patient=patient, after=after, since=since, count=count)
    return [Changed(int(r[0]), int(r[1]), str(r[2]), str(r[3]), str(r[4]), str(r[5]), int(r[6] or 0)) for r in rows]
