"""Keeps what somebody began to write in a form of the chart, for them alone, until they save it or it grows old."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import draft

MOST_CHARACTERS: Final = 20_000
_ONE: Final = (
    draft.c.connection == bindparam("connection"),
    draft.c.viewer == bindparam("viewer"),
    draft.c.patient == bindparam("patient"),
    draft.c.form == bindparam("form"),
)
_GET: Final = statement(select(draft.c.text, draft.c.updated).where(*_ONE, draft.c.updated >= bindparam("since")))
_DELETE: Final = statement(delete(draft).where(*_ONE))
_OLD: Final = statement(delete(draft).where(draft.c.updated < bindparam("before")))
_INSERT: Final = insertion(draft)


@dataclass(frozen=True, slots=True)
class Place:
    """Whose draft it is and of which form: the viewer as the audit names them, the patient's id, the form's name."""

    connection: str
    viewer: str
    patient: str
    form: str

    def named(self) -> dict[str, str]:
        """The values that find it."""
        return {
            "connection": self.connection,
            "viewer": self.viewer,
            "patient": self.patient,
            "form": self.form,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """The values of a form by their names, and when they were kept, in ms since 1970."""

    values: Mapping[str, str]
    updated: int


def keep(tx: Transaction, place: Place, values: Mapping[str, str], *, now: int, expired: int) -> bool:
    """Keeps the values in place of earlier ones, and drops every draft kept before ``expired`` (ms since 1970).

    False where they are too long to be kept (MOST_CHARACTERS as JSON).
    """
    tx.run(_OLD, before=expired)
    text = json.dumps(dict(values), ensure_ascii=False)
    if len(text) > MOST_CHARACTERS:
        return False
    tx.run(_DELETE, **place.named())
    tx.many(_INSERT, [{**place.named(), "text": text, "updated": now}])
    return True


def get(tx: Transaction, place: Place, *, since: int) -> Draft | None:
    """The draft, or None where there is none or it was kept before ``since`` (ms since 1970)."""
    row = tx.one(_GET, **place.named(), since=since)
    return Draft(json.loads(row[0]), int(row[1])) if row else None


def drop(tx: Transaction, place: Place) -> None:
    """Forgets the draft, if there is one."""
    tx.run(_DELETE, **place.named())
