"""Lists plans and tasks where some patients' rows are not those that are stored, as for a reader with less to see.

The rows that stand in their place are put into tables of the same shape in memory, and the statements of
``store.caseload`` are run on both; what is due first comes first in what both give together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from fhirplan.coordination.caseload import PlanRow, WorkRow
from fhirplan.search.values import folded
from fhirplan.store import tables
from fhirplan.store.coordination import caseload, projection
from fhirplan.store.coordination.caseload_rows import WORST_FIRST, CaseRow, Counts, Order, State, TaskRow, Wanted
from fhirplan.store.engine import Transaction

if TYPE_CHECKING:
    from fhirplan.store.engine import Database

_TABLES: Final = tuple(
    str(CreateTable(table).compile(dialect=sqlite.dialect())) for table in (tables.caseload, tables.caseload_work)
)
Row = tuple[PlanRow, Sequence[WorkRow], int | None]


class _Memory:
    """What a transaction wants to know of its database."""

    dialect = "sqlite"


class Lists:
    """The lists of a connection, in one transaction.

    The patients ``without`` are listed by the rows ``instead`` and by no other.
    """

    def __init__(self, tx: Transaction, connection: str, without: frozenset[str] = frozenset()) -> None:
        self._connection = connection
        self._parts: list[tuple[Transaction, tuple[str, ...]]] = [(tx, tuple(sorted(without)))]

    def instead(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Lists these patients by these rows."""
        driver = sqlite3.connect(":memory:")
        for text in _TABLES:
            driver.execute(text)
        beside = Transaction(cast("Database", _Memory()), driver, writing=True)
        for patient, made in rows.items():
            projection.put(beside, self._connection, patient, made, 0)
        self._parts.append((beside, ()))

    def page(self, wanted: Wanted, now: int, *, count: int, start: int = 0, order: Order = "due") -> list[CaseRow]:
        """As ``caseload.page``."""
        if len(self._parts) == 1:
            return caseload.page(*self._first(wanted), now, count=count, start=start, order=order)
        found = [
            row
            for tx, without in self._parts
            for row in caseload.page(
                tx, self._connection, replace(wanted, without=without), now, count=start + count, order=order
            )
        ]
        return sorted(found, key=_KEYS[order])[start : start + count]

    def counted_page(
        self, wanted: Wanted, now: int, *, count: int, start: int = 0, order: Order = "due"
    ) -> tuple[list[CaseRow], Counts]:
        """As ``caseload.counted_page``."""
        if len(self._parts) == 1:
            return caseload.counted_page(*self._first(wanted), now, count=count, start=start, order=order)
        return self.page(wanted, now, count=count, start=start, order=order), self.counts(wanted, now)

    def counts(self, wanted: Wanted, now: int) -> Counts:
        """As ``caseload.counts``."""
        found = [
            astuple(caseload.counts(tx, self._connection, replace(wanted, without=without), now))
            for tx, without in self._parts
        ]
        return Counts(*(sum(numbers) for numbers in zip(*found, strict=True)))

    def tasks(self, wanted: Wanted, now: int, *, state: State = "open", count: int, start: int = 0) -> list[TaskRow]:
        """As ``caseload.tasks``."""
        if len(self._parts) == 1:
            return caseload.tasks(*self._first(wanted), now, state=state, count=count, start=start)
        found = [
            row
            for tx, without in self._parts
            for row in caseload.tasks(
                tx, self._connection, replace(wanted, without=without), now, state=state, count=start + count
            )
        ]
        return sorted(found, key=_of_task)[start : start + count]

    def offered(self) -> dict[str, dict[str, int]]:
        """As ``caseload.offered``."""
        made: dict[str, dict[str, int]] = {}
        for tx, without in self._parts:
            for name, values in caseload.offered(tx, self._connection, without).items():
                held = made.setdefault(name, {})
                for value, number in values.items():
                    held[value] = held.get(value, 0) + number
        return {name: dict(sorted(held.items())) for name, held in made.items()}

    def _first(self, wanted: Wanted) -> tuple[Transaction, str, Wanted]:
        tx, without = self._parts[0]
        return tx, self._connection, replace(wanted, without=without)


def _late(moment: int | None) -> tuple[bool, int]:
    return moment is None, moment or 0


def _of_task(row: TaskRow) -> tuple[Any, ...]:
    return (*_late(row.due), row.task, row.plan)


# In the order of the statements of ``caseload.page``.
_KEYS: Final[Mapping[Order, Any]] = {
    "need": lambda row: (WORST_FIRST.index(row.overall), *_late(row.due), row.plan),
    "due": lambda row: (*_late(row.due), row.plan),
    "name": lambda row: (row.name == "", folded(row.name), row.plan),
    "contact": lambda row: (*_late(row.contact_due), row.plan),
}
