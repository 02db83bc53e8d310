"""How the values of a condition are compared with the columns of an index, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, func, literal_column, not_, or_

from fhirplan.store.search.shapes import Group, Kind, Probe

_Clause = ColumnElement[bool]
_Named = Callable[[str], ColumnElement[Any]]


def bound(slot: int, group: int, item: int, column: str) -> str:
    """The name of a bound value: of which part of the search, group and value, and of which column."""
    return f"c{slot}g{group}i{item}_{column}"


def any_group(probe: Probe, index: FromClause) -> _Clause:
    """Whether a row matches one of the values of the probe."""
    return or_(*(one_of_group(probe, place, group, index) for place, group in enumerate(probe.groups)))


def one_of_group(probe: Probe, place: int, group: Group, index: FromClause) -> _Clause:
    """Whether a row matches one of the values of a group."""

    def values(column: str) -> list[ColumnElement[Any]]:
        return [bindparam(bound(probe.slot, place, item, column)) for item in range(group.size)]

    def one_of(column: str) -> _Clause:
        listed = values(column)
        return index.c[column] == listed[0] if len(listed) == 1 else index.c[column].in_(listed)

    if (probe.kind, group.form) in _VARYING:
        shared = _SHARED.get((probe.kind, group.form))
        alike = one_of(_VARYING[probe.kind, group.form])
        if shared is None:
            return alike
        column: ColumnElement[Any] = index.c[shared]
        if shared == "sid":
            # Without statistics SQLite would look up all of the system's codes instead of the one that is asked for.
            column = column.op("+")(literal_column("0"))
        return and_(column == values(shared)[0], alike)
    compare = _COMPARED[probe.kind]
    return or_(*(compare(group.form, index, name) for name in _names(probe.slot, place, group.size)))


def _names(slot: int, place: int, size: int) -> Sequence[_Named]:
    def named(item: int) -> _Named:
        return lambda column: bindparam(bound(slot, place, item, column))

    return [named(item) for item in range(size)]


def _text(form: str, index: FromClause, value: _Named) -> _Clause:
    """Compares texts; no pattern language is involved, so nothing in a text can be one."""
    column = index.c.value
    match form:
        case "contains":
            return func.replace(column, value("text"), "") != column
        case "ends":
            at = func.length(column) - func.length(value("text"))
            return and_(at >= 0, func.substr(column, at + 1) == value("text"))
        case "below":
            return or_(column == value("exact"), and_(column >= value("low"), column < value("high")))
        case _:
            return and_(column >= value("low"), column < value("high"))


def _updated(prefix: str, index: FromClause, value: _Named) -> _Clause:
    at, low, high = index.c.updated, value("low"), value("high")
    match prefix:
        case "gt" | "sa":
            return at >= high
        case "lt" | "eb":
            return at < low
        case "ge":
            return at >= low
        case "le":
            return at < high
        case "ne":
            return or_(at < low, at >= high)
        case _:
            return and_(at >= low, at < high)


def _date(prefix: str, index: FromClause, value: _Named) -> _Clause:
    low, high, begin, end = index.c.low, index.c.high, value("low"), value("high")
    overlap = and_(low < end, high > begin)
    equal = and_(overlap, or_(index.c.period == 1, and_(low >= begin, high <= end)))
    match prefix:
        case "eq":
            return equal
        case "ne":
            return not_(equal)
        case "gt":
            return high > end
        case "lt":
            return low < begin
        case "ge":
            return and_(high > begin, or_(high > end, equal))
        case "le":
            return and_(low < end, or_(low < begin, equal))
        case "sa":
            return low >= end
        case "eb":
            return high <= begin
        case _:
            return overlap


def _number(prefix: str, index: FromClause, value: _Named) -> _Clause:
    low, high = index.c.low, index.c.high
    match prefix:
        case "gt":
            return high > value("exact")
        case "lt":
            return low < value("exact")
        case "ge":
            return high >= value("exact")
        case "le":
            return low <= value("exact")
        case "sa":
            return low > value("exact")
        case "eb":
            return high < value("exact")
        case "ap":
            return and_(low <= value("high"), high >= value("low"))
        case _:
            equal = and_(low >= value("low"), high < value("high"))
            return equal if prefix == "eq" else not_(equal)


def _quantity(form: str, index: FromClause, value: _Named) -> _Clause:
    prefix, _, unit = form.partition(" ")
    number = _number(prefix, index, value)
    match unit:
        case "":
            return number
        case "system":
            return and_(number, index.c.sid == value("sid"))
        case "system code":
            return and_(number, index.c.sid == value("sid"), index.c.code == value("code"))
        case _:
            return and_(number, or_(index.c.code == value("code"), index.c.unit == value("code")))


_VARYING: Final[dict[tuple[Kind, str], str]] = {
    ("token", "system code"): "code",
    ("token", "code"): "code",
    ("token", "system"): "sid",
    ("reference", "type id"): "target_id",
    ("reference", "id"): "target_id",
    ("uri", "uri"): "value",
    ("string", "is"): "value",
    ("id", "id"): "id",
}
_SHARED: Final[dict[tuple[Kind, str], str]] = {
    ("token", "system code"): "sid",
    ("reference", "type id"): "target_type",
}
_COMPARED: Final[dict[Kind, Callable[[str, FromClause, _Named], _Clause]]] = {
    "updated": _updated,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "string": _text,
    "uri": _text,
}
