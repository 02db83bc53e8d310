"""What became of each change: by which route it went, where it landed, or why it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.tables import receipt


@dataclass(frozen=True, slots=True)
class Receipt:
    """One change's fate. ``state``: sent, waiting, parked or conflict. ``outcome``: OperationOutcome JSON or None.

    ``oid`` is the outbox row's number, None for a resource of the EHR that could not be taken in. ``route`` is the
    interaction used (create, update, delete), ``none`` where the change stays here only,
    ``withdrawn`` where it was taken back before it was sent, ``pull`` for an import.
    """

    oid: int | None
    type: str
    id: str
    version: int
    route: str
    state: str
    ehr_id: str = ""
    ehr_version: str = ""
    outcome: str | None = None
    at: int = 0


# What a Receipt is made of, in this order.
COLUMNS: Final = (
    receipt.c.oid,
    receipt.c.type,
    receipt.c.id,
    receipt.c.version,
    receipt.c.route,
    receipt.c.state,
    receipt.c.ehr_id,
    receipt.c.ehr_version,
    receipt.c.outcome,
    receipt.c.at,
)
_OF: Final = (
    receipt.c.connection == bindparam("connection"),
    receipt.c.type == bindparam("type"),
    receipt.c.id == bindparam("id"),
)
_LISTED: Final = statement(select(*COLUMNS).where(*_OF).order_by(receipt.c.version, receipt.c.seq))
_WROTE: Final = statement(
    select(receipt.c.seq)
    .where(*_OF, receipt.c.state == "sent", receipt.c.ehr_version == bindparam("ehr_version"))
    .limit(1)
)
_INSERT: Final = statement(
    insert(receipt).values({column.name: bindparam(column.name) for column in receipt.c if column.name != "seq"})
)
_UPDATE: Final = statement(
    update(receipt)
    .where(
        receipt.c.connection == bindparam("connection_"),
        receipt.c.type == bindparam("type_"),
        receipt.c.id == bindparam("id_"),
        receipt.c.version == bindparam("version_"),
        receipt.c.oid == bindparam("oid_"),
    )
    .values({name: bindparam(name) for name in ("route", "state", "ehr_id", "ehr_version", "outcome", "at")})
)


def put(tx: Transaction, connection: str, item: Receipt) -> None:
    """Writes the receipt of a change, over what was said of the same outbox row before."""
    values = {
        "route": item.route,
        "state": item.state,
        "ehr_id": item.ehr_id or None,
        "ehr_version": item.ehr_version or None,
        "outcome": item.outcome,
        "at": item.at,
    }
    key = {"type_": item.type, "id_": item.id, "version_": item.version, "oid_": item.oid}
    if item.oid is None or not tx.run(_UPDATE, connection_=connection, **key, **values):
        own = {"type": item.type, "id": item.id, "version": item.version, "oid": item.oid}
        tx.run(_INSERT, connection=connection, **own, **values)


def of(tx: Transaction, connection: str, type_: str, id_: str) -> list[Receipt]:
    """The receipts of a resource, by its versions."""
    return [of_row(row) for row in tx.all(_LISTED, connection=connection, type=type_, id=id_)]


def latest(tx: Transaction, connection: str, type_: str, id_: str) -> Receipt | None:
    """The receipt of the newest version that has one, or None."""
    found = of(tx, connection, type_, id_)
    return found[-1] if found else None


def wrote(tx: Transaction, connection: str, type_: str, id_: str, ehr_version: str) -> bool:
    """Whether that version of the EHR's copy is one that we wrote."""
    if not ehr_version:
        return False
    return tx.one(_WROTE, connection=connection, type=type_, id=id_, ehr_version=ehr_version) is not None


def of_row(row: Row) -> Receipt:
    """The Receipt of a row of COLUMNS."""
    oid, type_, id_, version, route, state, ehr_id, ehr_version, outcome, at = row
    number = None if oid is None else int(oid)
    return Receipt(number, type_, id_, int(version), route, state, ehr_id or "", ehr_version or "", outcome, int(at))
