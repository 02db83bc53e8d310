"""Runs statements inside one transaction, as values by name, by place or many at once, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, Protocol, cast

from sqlalchemy import Column

from fhirplan.store.statements import DialectName, Statement


class Known(Protocol):
    """What a transaction tells of its database: which it is, and what is remembered of it in this process."""

    @property
    def dialect(self) -> DialectName:
        """Which of the two it is."""

    @property
    def memory(self) -> dict[str, Any]:
        """What other modules remember about it."""


Row = tuple[Any, ...]


@cache
def _highest(*keys: Column[Any]) -> str:
    """The SQL for the highest values of some tables' own numbers."""
    return "SELECT " + ", ".join(f"(SELECT max({key.name}) FROM {key.table.name})" for key in keys)  # noqa: S608


class Transaction:
    """Runs statements inside one transaction; given by ``Database.read`` and ``Database.write``."""

    __slots__ = ("_after", "_driver", "changed", "database", "dialect", "notes", "writing")

    def __init__(self, database: Known, driver: Any, *, writing: bool) -> None:
        self.database: Final = database
        self.dialect: Final = database.dialect
        self.writing: Final = writing
        # What a module remembers until the transaction ends.
        self.notes: Final[dict[str, Any]] = {}
        # Rows written by ``many``, which is nearly all of them.
        self.changed = 0
        self._driver = driver
        self._after: list[Callable[[], None]] = []

    def one(self, stmt: Statement, **params: Any) -> Row | None:
        """The first row, or None."""
        return cast("Row | None", self._run(stmt, params).fetchone())

    def all(self, stmt: Statement, **params: Any) -> list[Row]:
        """All rows."""
        return cast("list[Row]", self._run(stmt, params).fetchall())

    def each(self, stmt: Statement, listed: Sequence[str], **params: Any) -> list[Row]:
        """All rows of a statement over a list of texts, made by ``statements.listed``; none for no texts."""
        if not listed:
            return []
        bound = json.dumps(listed) if self.dialect == "sqlite" else list(listed)
        return self.all(stmt, listed=bound, **params)

    def run(self, stmt: Statement, **params: Any) -> int:
        """Runs it and gives the number of rows it changed."""
        return int(self._run(stmt, params).rowcount)

    def many(self, stmt: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it once for each row of values; nothing for none."""
        if not rows:
            return
        self.changed += len(rows)
        if self.dialect == "postgresql" and stmt.many_rows is not None:
            self._driver.execute(stmt.many_rows, {name: [row[name] for row in rows] for name in rows[0]})
            return
        sql, given = stmt.sql(self.dialect)
        filled = [{**given, **row} for row in rows] if given else rows
        self._driver.cursor().executemany(sql, filled)

    def many_in_order(self, stmt: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """As ``many``, for rows whose values stand in the statement's ``order``."""
        if not rows:
            return
        if self.dialect == "sqlite":
            self.changed += len(rows)
            self._driver.executemany(stmt.positional(), rows)
        elif stmt.many_rows is not None:
            self.changed += len(rows)
            columns = zip(stmt.order, zip(*rows, strict=True), strict=True)
            self._driver.execute(stmt.many_rows, {name: list(values) for name, values in columns})
        else:
            self.many(stmt, [dict(zip(stmt.order, row, strict=True)) for row in rows])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is run inside, without a look at its results, is sent to PostgreSQL at once."""
        if self.dialect == "sqlite":
            yield
        else:
            with self._driver.pipeline():
                yield

    def allocate(self, *wanted: tuple[Column[Any], int]) -> list[Sequence[int]]:
        """New values of tables' own numbers, so many of each; only inside ``write``."""
        if not any(count for _, count in wanted):
            return [() for _ in wanted]
        if self.dialect == "sqlite":
            # Nobody else can write before this transaction ends.
            found = self._driver.execute(_highest(*(key for key, _ in wanted))).fetchone()
            return [
                range((last or 0) + 1, (last or 0) + 1 + count) for last, (_, count) in zip(found, wanted, strict=True)
            ]
        return [self._next(key, count) for key, count in wanted]

    def _next(self, key: Column[Any], count: int) -> Sequence[int]:
        if not count:
            return ()
        sequence = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
        return [int(row[0]) for row in self._driver.execute(sequence, (key.table.name, key.name, count)).fetchall()]

    def alone(self, what: str) -> None:
        """Waits until no other transaction has called this with the same text; it is ours until this one ends.

        Only inside ``write``. On SQLite it is so anyway, as there is one writer at a time.
        """
        if self.dialect == "postgresql":
            self._driver.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (what,))

    def explain(self, stmt: Statement, **params: Any) -> list[str]:
        """The steps in which the database would carry it out, in its own words."""
        sql, given = stmt.sql(self.dialect)
        prefix = "EXPLAIN QUERY PLAN " if self.dialect == "sqlite" else "EXPLAIN "
        return [str(row[-1]) for row in self._driver.execute(prefix + sql, {**given, **params}).fetchall()]

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the transaction, undone by itself when the block raises, with what it put off until the commit."""
        put_off = len(self._after)
        self._driver.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._driver.execute("ROLLBACK TO SAVEPOINT part")
            del self._after[put_off:]
            raise
        finally:
            self._driver.execute("RELEASE SAVEPOINT part")

    def after_commit(self, action: Callable[[], None]) -> None:
        """Calls ``action`` once the transaction is committed, never when it is rolled back."""
        self._after.append(action)

    def _run(self, stmt: Statement, params: dict[str, Any]) -> Any:
        sql, given = stmt.sql(self.dialect)
        return self._driver.execute(sql, {**given, **params} if given else params)

    def committed(self) -> None:
        """Calls what waits for the commit; said by the database once that is durable."""
        for action in self._after:
            action()
