"""Copies everything from one database to another that is empty, such as from SQLite to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from fhirplan.errors import Misconfigured
from fhirplan.store import schema
from fhirplan.store.schema import HEAD
from fhirplan.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

_ROWS: Final = 1000
_NUMBERED_SQLITE: Final = "SELECT seq FROM sqlite_sequence WHERE name = '{table}'"
_NUMBERED_POSTGRESQL: Final = (
    "SELECT last_value FROM pg_sequences "
    "WHERE format('%%I.%%I', schemaname, sequencename) = pg_get_serial_sequence('{table}', '{key}')"
)
_COUNT_ON: Final = "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), {last})"


def copy(source: str, target: str) -> Iterator[tuple[str, int]]:
    """Copies all rows as they are, in one transaction; gives each table's name and rows as it is done.

    Nobody can write to the source meanwhile. Raises Misconfigured unless both have the schema of this program and the
    target is empty; then the target is as it was.
    """
    _require_current(source, "copied from")
    _require_current(target, "copied to")
    with schema.connected(source) as read, schema.connected(target) as written, read.begin(), written.begin():
        _require_empty(written)
        if read.dialect.name == "postgresql":
            read.exec_driver_sql("LOCK TABLE " + ", ".join(metadata.tables) + " IN SHARE MODE")
        for table in metadata.sorted_tables:
            yield table.name, _copied(table, read, written)
            _count_on(table, read, written)


def _copied(table: Table, read: Connection, written: Connection) -> int:
    """The number of rows, once all are there."""
    from sqlalchemy import delete, func, select

    # A new database has rows of its own, such as its numbers of parameters; those of the source take their place.
    written.execute(delete(table))
    count = 0
    for rows in read.execute(select(table)).mappings().partitions(_ROWS):
        written.execute(table.insert(), [dict(row) for row in rows])
        count += len(rows)
    there = written.execute(select(func.count()).select_from(table)).scalar_one()
    if there != count:
        raise Misconfigured(f"Of {count} rows of {table.name} only {there} came, so nothing was copied.")
    return count


def _require_current(url: str, role: str) -> None:
    here = schema.current(url)
    if here != HEAD:
        state = f"has the schema of revision {here}" if here else "is not there or has no tables"
        raise Misconfigured(
            f"The database to be {role} {state}; this program needs {HEAD}. Run fhirplan migrate with "
            "FHIRPLAN_DATABASE_URL naming it, then this again."
        )


def _require_empty(written: Connection) -> None:
    from sqlalchemy import select

    for name in ("resource", "version", "client", "audit"):
        if written.execute(select(metadata.tables[name]).limit(1)).first() is not None:
            raise Misconfigured("The database to be copied to holds something already. Name an empty one.")


def _count_on(table: Table, read: Connection, written: Connection) -> None:
    """New rows get numbers after all that were ever given, as some are named in receipts and logs."""
    key = table.autoincrement_column
    if key is None:
        return
    last = _last(table, key, read)
    if last is None:
        return
    if written.dialect.name == "postgresql":
        written.exec_driver_sql(_COUNT_ON.format(table=table.name, key=key.name, last=last))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        written.exec_driver_sql(f"DELETE FROM sqlite_sequence WHERE name = '{table.name}'")  # noqa: S608 - our own name
        written.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))


def _last(table: Table, key: Column[Any], read: Connection) -> int | None:
    """The highest number that was given, None when none was."""
    from sqlalchemy import func, select

    if read.dialect.name == "postgresql":
        given = _NUMBERED_POSTGRESQL
    elif table.dialect_options["sqlite"]["autoincrement"]:
        given = _NUMBERED_SQLITE
    else:
        highest: int | None = read.execute(select(func.max(key))).scalar()
        return highest
    found: int | None = read.exec_driver_sql(given.format(table=table.name, key=key.name)).scalar()
    return found
