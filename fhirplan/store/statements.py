"""Compiles SQLAlchemy Core expressions to SQL text once, so that the driver runs them without SQLAlchemy.

Core's own execution costs about five times what the driver needs for a read by key; its expressions, which one text
serves two databases with, cost nothing when compiled once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import Column, Table, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.expression import ClauseElement

DialectName = Literal["sqlite", "postgresql"]


@lru_cache(maxsize=2)
def _dialect(name: DialectName) -> Dialect:
    if name == "sqlite":
        return sqlite.dialect(paramstyle="named")
    return postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]


class Statement:
    """A Core statement and its SQL per database; values are always bound, never part of the text.

    ``on_postgresql`` is given where Core has a construct of its own for each of the two. ``many_rows`` is the SQL by
    which PostgreSQL inserts any number of rows at once: each name is bound to the list of a column's values.
    ``order`` has the names of values as they stand in a row that comes without names.
    """

    __slots__ = ("_compiled", "_core", "_positional", "many_rows", "order")

    def __init__(
        self,
        core: ClauseElement,
        on_postgresql: ClauseElement | None = None,
        many_rows: str | None = None,
        order: tuple[str, ...] = (),
    ) -> None:
        self.order: Final = order
        self._positional = ""
        self._core: Final = {"sqlite": core, "postgresql": core if on_postgresql is None else on_postgresql}
        self.many_rows: Final = many_rows
        self._compiled: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def sql(self, dialect: DialectName) -> tuple[str, Mapping[str, Any]]:
        """The SQL text and the values that stand in the expression itself (limits, constants) by their bound names."""
        found = self._compiled.get(dialect)
        if found is None:
            compiled = self._core[dialect].compile(dialect=_dialect(dialect))
            given = compiled.params if compiled.params is not None else {}
            found = str(compiled), {name: value for name, value in given.items() if value is not None}
            self._compiled[dialect] = found
        return found

    def positional(self) -> str:
        """The SQL for SQLite, with the values by their place in ``order``."""
        if not self._positional:
            places = {name: f"?{place}" for place, name in enumerate(self.order, 1)}
            sql, _ = self.sql("sqlite")
            self._positional = _BOUND.sub(lambda found: places[found[1]], sql)
        return self._positional


_BOUND: Final = re.compile(r":(\w+)")


def statement(core: ClauseElement) -> Statement:
    """Wraps a Core statement, once, at module level; it is compiled when first run."""
    return Statement(core)


def listed(columns: str, rest: str) -> Statement:
    """A query over the texts that ``Transaction.each`` binds, which it knows as the table ``listed (value)``.

    Its own text does not depend on how many there are. The list is the outer of the loops: what it is joined with is
    looked up by an index.
    """
    return Statement(
        text(f"SELECT {columns} FROM json_each(:listed) AS listed {rest}"),  # noqa: S608 - tables and columns of ours
        text(f"SELECT {columns} FROM unnest(CAST(:listed AS text[])) AS listed (value) {rest}"),  # noqa: S608
    )


def insertion(table: Table, *, without: tuple[str, ...] = (), or_ignore: bool = False) -> Statement:
    """An INSERT of all columns but ``without``, each bound by its name; with ``or_ignore`` an existing row stays."""
    columns = [column for column in table.columns if column.name not in without]
    values = {column.name: None for column in columns}
    many = _many_rows(table, columns, or_ignore=or_ignore)
    order = tuple(column.name for column in columns)
    if not or_ignore:
        return Statement(insert(table).values(values), many_rows=many, order=order)
    return Statement(
        sqlite.insert(table).values(values).on_conflict_do_nothing(),
        postgresql.insert(table).values(values).on_conflict_do_nothing(),
        many,
        order,
    )


def _many_rows(table: Table, columns: Sequence[Column[Any]], *, or_ignore: bool) -> str:
    """One statement with one array for each column, whose text does not depend on how many rows there are."""
    dialect = _dialect("postgresql")
    kinds = [str(column.type.dialect_impl(dialect).compile(dialect)).partition(" COLLATE")[0] for column in columns]
    arrays = ", ".join(f"%({column.name})s::{kind}[]" for column, kind in zip(columns, kinds, strict=True))
    names = ", ".join(str(dialect.identifier_preparer.quote(column.name)) for column in columns)
    end = " ON CONFLICT DO NOTHING" if or_ignore else ""
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}){end}"  # noqa: S608 - names of ours
