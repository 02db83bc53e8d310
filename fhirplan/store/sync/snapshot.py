"""Writes out what sync knows of a connection, row by row, and puts such rows into a fresh database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import LargeBinary, Table, bindparam, or_, select

from fhirplan.store import tables
from fhirplan.store.engine import Statement, Transaction, statement
from fhirplan.store.statements import insertion

Row = dict[str, Any]
_TABLES: Final[tuple[Table, ...]] = (
    tables.resource,
    tables.version,
    tables.link,
    tables.outbox,
    tables.conflict,
    tables.checkpoint,
    tables.receipt,
    tables.circuit,
    tables.notice,
    tables.refusal,
    tables.offer,
)
"""What sync reads. Index rows are left out: they are made of the versions, and no part of sync searches them."""
JSON_TEXTS: Final = frozenset({("receipt", "outcome"), ("outbox", "outcome")})
"""Columns that hold a resource as text; those that hold one as bytes are known by their type."""


def _rows(table: Table) -> Statement:
    here = table.c.connection == bindparam("connection") if "connection" in table.c else None
    if here is not None:
        return statement(select(*table.c).where(here))
    # Versions: the current one, and those since the copy both sides agreed on, which ours is compared with.
    held = tables.resource.join(tables.version, tables.version.c.rid == tables.resource.c.rid).outerjoin(
        tables.link,
        (tables.link.c.connection == tables.resource.c.connection)
        & (tables.link.c.type == tables.resource.c.type)
        & (tables.link.c.id == tables.resource.c.id),
    )
    since = tables.version.c.version >= tables.link.c.local_version
    current = tables.version.c.vid == tables.resource.c.vid
    return statement(
        select(*table.c)
        .select_from(held)
        .where(tables.resource.c.connection == bindparam("connection"), or_(current, since))
    )


_SELECTS: Final = {table.name: _rows(table) for table in _TABLES}
_INSERTS: Final = {table.name: insertion(table) for table in _TABLES}
_BYTES: Final = {
    table.name: frozenset(column.name for column in table.c if isinstance(column.type, LargeBinary))
    for table in _TABLES
}


def rows(tx: Transaction, connection: str) -> Iterator[tuple[str, Row]]:
    """Each row that sync knows of a connection, with its table's name; bytes are given as text."""
    for table in _TABLES:
        # SQLAlchemy's names are no plain texts.
        names = [str(column.name) for column in table.c]
        for found in tx.all(_SELECTS[table.name], connection=connection):
            row = dict(zip(names, found, strict=True))
            for name in _BYTES[table.name]:
                row[name] = bytes(row[name]).decode() if row[name] is not None else None
            yield str(table.name), row


def holds_resource(table: str, column: str) -> bool:
    """Whether a column holds a resource as JSON text."""
    return column in _BYTES.get(table, ()) or (table, column) in JSON_TEXTS


def put(tx: Transaction, table: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Puts rows into a table of a database in which they are not yet. Raises KeyError for a table that is none."""
    kept = [
        {name: value.encode() if name in _BYTES[table] and value is not None else value for name, value in row.items()}
        for row in found
    ]
    tx.many(_INSERTS[table], kept)
