"""Writes and removes the index rows of resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, and_, bindparam, delete

from fhirplan.catalog import ResourceSpec
from fhirplan.search.definitions import ParameterType
from fhirplan.search.values import Extractor, Row, extractor
from fhirplan.store import parameters, tables
from fhirplan.store.engine import Statement, Transaction
from fhirplan.store.statements import insertion

TABLES: Final[Mapping[ParameterType, Table]] = {
    "token": tables.index_token,
    "reference": tables.index_reference,
    "uri": tables.index_uri,
    "date": tables.index_date,
    "string": tables.index_string,
    "number": tables.index_number,
    "quantity": tables.index_quantity,
}


def _removal(table: Table) -> Statement:
    condition = and_(*(column == bindparam(f"old_{column.name}") for column in table.c))
    return Statement(delete(table).where(condition), order=tuple(f"old_{column.name}" for column in table.c))


# A rebuild and a commit may come to the same row, so it may be there already.
_ADD: Final = {kind: insertion(table, or_ignore=True) for kind, table in TABLES.items()}
_REMOVE: Final = {kind: _removal(table) for kind, table in TABLES.items()}


@cache
def rows_of(spec: ResourceSpec, base: str) -> Extractor:
    """The function that gives a type's index rows; compiled once."""
    return extractor(spec.parameters, base)


class Changes:
    """Collects the index rows that a transaction adds and removes, to write them in one go per table."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._added: dict[ParameterType, list[tuple[Any, ...]]] = {}
        self._removed: dict[ParameterType, list[tuple[Any, ...]]] = {}

    def move(self, connection: str, spec: ResourceSpec, rid: int, old: Set[Row], new: Set[Row]) -> None:
        """What must change in the index for a resource that had the rows ``old`` and now has ``new``."""
        # Asked for even when there are no rows: a type's parameters are declared before its first resource is stored.
        numbers = parameters.numbers(self._tx, connection, spec)
        if old == new:
            return
        self._collect(self._added, rid, new - old, numbers)
        self._collect(self._removed, rid, old - new, numbers)

    def add(self, rid: int, rows: Iterable[Row], numbers: Mapping[str, parameters.Numbers]) -> None:
        """Rows that a resource must have under these numbers, there or not."""
        self._collect(self._added, rid, rows, numbers)

    def write(self) -> None:
        """Carries it out."""
        for kind, gone in self._removed.items():
            self._tx.many_in_order(_REMOVE[kind], gone)
        for kind, rows in self._added.items():
            self._tx.many_in_order(_ADD[kind], rows)

    def _collect(
        self,
        into: dict[ParameterType, list[tuple[Any, ...]]],
        rid: int,
        rows: Iterable[Row],
        numbers: Mapping[str, parameters.Numbers],
    ) -> None:
        """Each row as the values of its table's columns in their order: pid, what the value has, rid."""
        for code, kind, value in rows:
            stored = _STORED.get(kind)
            columns = stored(self._tx, value) if stored is not None else value
            listed = into.setdefault(kind, [])
            for pid in numbers[code].written:
                listed.append((pid, *columns, rid))


def _token(tx: Transaction, value: tuple[Any, ...]) -> tuple[Any, ...]:
    return value[0], parameters.system(tx, value[1])


def _quantity(tx: Transaction, value: tuple[Any, ...]) -> tuple[Any, ...]:
    low, high, system, code, unit = value
    return low, high, parameters.system(tx, system), code, unit


# The kinds whose columns are not just the parts of their value.
_STORED: Final[Mapping[ParameterType, Callable[[Transaction, tuple[Any, ...]], tuple[Any, ...]]]] = {
    "token": _token,
    "quantity": _quantity,
}
