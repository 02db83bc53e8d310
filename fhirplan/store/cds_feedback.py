"""Keeps what clinicians did with our cards, as their EHR tells it (CDS Hooks 2.0, Feedback)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import bindparam, delete, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import cds_feedback

_c: Final = cds_feedback.c
_INSERT: Final = insertion(cds_feedback)
_AGAIN: Final = statement(
    delete(cds_feedback).where(
        _c.connection == bindparam("connection_"), _c.issuer == bindparam("issuer_"), _c.card == bindparam("card_")
    )
)
_ALL: Final = statement(select(*_c).where(_c.connection == bindparam("connection_")).order_by(_c.at, _c.card))


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one card: ``outcome`` is accepted or overridden, ``suggestions`` the uuids that were taken,
    with spaces between, ``reason`` the code why it was overridden. ``at`` is ms since 1970. What people wrote is left
    out."""

    connection: str
    issuer: str
    card: str
    service: str
    outcome: str
    suggestions: str
    reason: str
    at: int


def keep(tx: Transaction, item: Feedback) -> None:
    """Keeps what became of a card; what was told of it before is replaced, as it may be told twice."""
    tx.run(_AGAIN, connection_=item.connection, issuer_=item.issuer, card_=item.card)
    tx.run(_INSERT, **asdict(item))


def listed(tx: Transaction, connection: str) -> list[Feedback]:
    """All that was told for a connection, oldest first."""
    return [Feedback(*row) for row in tx.all(_ALL, connection_=connection)]
