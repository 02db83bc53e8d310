"""Keeps for whom somebody declared an emergency, in which what is withheld by consent is shown to them for a while."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import emergency

_INSERT: Final = insertion(emergency, without=("eid",))
_OF: Final = statement(
    select(emergency.c.patient).where(
        emergency.c.connection == bindparam("connection"),
        emergency.c.who == bindparam("who"),
        emergency.c.until > bindparam("now"),
    )
)


def declare(tx: Transaction, connection: str, who: str, patient: str, reason: str, now: int, until: int) -> None:
    """Keeps that ``who`` (type/id) declared an emergency for a patient's id; times in ms."""
    tx.run(_INSERT, connection=connection, who=who, patient=patient, reason=reason, at=now, until=until)


def of(tx: Transaction, connection: str, who: str, now: int) -> frozenset[str]:
    """The ids of the patients for whom ``who`` declared an emergency that has not ended."""
    return frozenset(str(row[0]) for row in tx.all(_OF, connection=connection, who=who, now=now))
