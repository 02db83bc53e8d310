"""What the EHR refused to tell, or did not answer: noted, so that it is asked again later and holds up nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import bindparam, delete, func, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import refusal

# A resource that may be gone, or all of a type that a patient has.
About = Literal["resource", "patient"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """``ehr_id`` is the resource's or the patient's, ``asked`` when to count from (ms), ``said`` the EHR's reason."""

    type: str
    about: About
    ehr_id: str
    asked: int
    said: str


_COLUMNS: Final = (refusal.c.type, refusal.c.about, refusal.c.ehr_id, refusal.c.asked, refusal.c.said)
_OF: Final = (
    refusal.c.connection == bindparam("connection_"),
    refusal.c.type == bindparam("type_"),
    refusal.c.about == bindparam("about_"),
)
_LISTED: Final = statement(
    select(*_COLUMNS)
    .where(refusal.c.connection == bindparam("connection_"))
    .order_by(refusal.c.type, refusal.c.about, refusal.c.ehr_id)
)
_OF_TYPE: Final = statement(select(refusal.c.ehr_id, refusal.c.asked).where(*_OF).order_by(refusal.c.asked))
_COUNT: Final = statement(
    select(func.count()).select_from(refusal).where(refusal.c.connection == bindparam("connection_"))
)
_AGAIN: Final = statement(
    update(refusal)
    .where(*_OF, refusal.c.ehr_id == bindparam("ehr_id_"))
    .values(asked=bindparam("asked"), said=bindparam("said"))
)
_NEW: Final = insertion(refusal)
_FORGET: Final = statement(delete(refusal).where(*_OF, refusal.c.ehr_id == bindparam("ehr_id_")))


def note(tx: Transaction, connection: str, item: Refusal) -> None:
    """Keeps one, over what was noted of the same before."""
    named = {"connection_": connection, "type_": item.type, "about_": item.about, "ehr_id_": item.ehr_id}
    values = {"asked": item.asked, "said": item.said}
    if not tx.run(_AGAIN, **named, **values):
        own = {"connection": connection, "type": item.type, "about": item.about, "ehr_id": item.ehr_id}
        tx.run(_NEW, **own, **values)


def forget(tx: Transaction, connection: str, type_: str, about: About, ehr_id: str) -> None:
    """Forgets one, since the EHR has answered."""
    tx.run(_FORGET, connection_=connection, type_=type_, about_=about, ehr_id_=ehr_id)


def of(tx: Transaction, connection: str, type_: str, about: About) -> Mapping[str, int]:
    """When each was asked for last, by the EHR's id, the longest ago first."""
    rows = tx.all(_OF_TYPE, connection_=connection, type_=type_, about_=about)
    return {str(row[0]): int(row[1]) for row in rows}


def count(tx: Transaction, connection: str) -> int:
    """How many there are of a connection."""
    row = tx.one(_COUNT, connection_=connection)
    return int(row[0]) if row else 0


def listed(tx: Transaction, connection: str) -> list[Refusal]:
    """All of a connection."""
    return [Refusal(*row) for row in tx.all(_LISTED, connection_=connection)]
