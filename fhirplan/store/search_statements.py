"""Makes the SQL of a search from its shape: which index drives it, which ones are probed, in what order it is read.

A shape holds no values, so a statement is made once per shape. The driving index is chosen by the caller, and fixed by
an inner select with a limit that neither database takes apart. Everything else is asked of each candidate by a scalar
subquery that looks up one key: ``EXISTS`` would let PostgreSQL turn it into a join over the whole index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, func, not_, or_, select, true

from fhirplan.search.definitions import ParameterType
from fhirplan.store import versions
from fhirplan.store.engine import Statement, statement
from fhirplan.store.indexes import TABLES
from fhirplan.store.tables import resource, version

Order = Literal["rid", "updated", "-updated"]
Result = Literal["versions", "positions", "count", "some"]
Kind = ParameterType | Literal["updated"]
_Clause = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Group:
    """Values of one condition that are compared alike: ``form`` says how, ``size`` how many there are."""

    form: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Probe:
    """One condition: a row in the index of ``kind`` (or the resource's own time) that one of the groups matches."""

    kind: Kind
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A search without its values.

    ``driver`` is the condition whose index is read, by its place in ``probes``; "id" for one resource by its id,
    "type" for all resources of the type. ``after`` says whether it goes on after a position. ``result`` is what is
    read: whole versions, their positions (rid and time), the number of all, or the number up to a limit ("some").
    """

    driver: int | Literal["id", "type"]
    probes: tuple[Probe, ...]
    order: Order = "rid"
    after: bool = False
    result: Result = "versions"


@lru_cache(maxsize=2048)
def search_statement(shape: Shape) -> Statement:
    """The statement of a shape.

    Its values are bound by the names that ``bound`` gives, ``c{condition}_pid`` for a parameter's number, and
    ``connection``, ``type``, ``id``, ``after_rid``, ``after_updated`` and ``limit`` where the shape has them.
    """
    driven = _driven(shape)
    for number, probe in enumerate(shape.probes):
        if number != shape.driver:
            driven = driven.where(_probe(number, probe, driven.rid, driven.resource))
    if shape.result == "count":
        return statement(driven.query.with_only_columns(func.count(driven.rid.distinct())))
    if shape.result == "some":
        found = driven.query.with_only_columns(driven.rid).limit(bindparam("limit")).subquery()
        return statement(select(func.count()).select_from(found))
    page = _ordered(shape, driven).limit(bindparam("limit"))
    if shape.result == "positions":
        return statement(page)
    inner = page.subquery("driven")
    joined = inner.join(resource, resource.c.rid == inner.c.rid).join(version, version.c.vid == resource.c.vid)
    return statement(select(*versions.COLUMNS).select_from(joined))


def bound(number: int, group: int, item: int, column: str) -> str:
    """The name of a bound value: of which condition, group and value, and of which column."""
    return f"c{number}g{group}i{item}_{column}"


@dataclass(frozen=True, slots=True)
class _Driven:
    """The select of the candidates; ``resource`` is the resource table where it reads that."""

    query: Select[Any]
    rid: ColumnElement[int]
    resource: FromClause | None

    def where(self, clause: _Clause) -> _Driven:
        return _Driven(self.query.where(clause), self.rid, self.resource)


def _driven(shape: Shape) -> _Driven:
    if not isinstance(shape.driver, int):
        found = select(resource.c.rid).where(
            resource.c.connection == bindparam("connection"),
            resource.c.type == bindparam("type"),
            resource.c.deleted == 0,
        )
        if shape.driver == "id":
            found = found.where(resource.c.id == bindparam("id"))
        return _Driven(found, resource.c.rid, resource)
    number, probe = shape.driver, shape.probes[shape.driver]
    index = TABLES[_index_kind(probe)].alias(f"c{number}")
    found = select(index.c.rid).where(index.c.pid == bindparam(f"c{number}_pid"), _any_group(number, probe, index))
    if shape.result in ("versions", "positions"):
        once = _once(probe, index)
        found = found.where(once) if once is not None else found
    if shape.order == "rid":
        return _Driven(found, index.c.rid, None)
    return _Driven(found.join_from(index, resource, resource.c.rid == index.c.rid), index.c.rid, resource)


def _index_kind(probe: Probe) -> ParameterType:
    if probe.kind == "updated":
        raise ValueError("the time of a resource has no index table")
    return probe.kind


def _once(probe: Probe, index: FromClause) -> _Clause | None:
    """Keeps one of the rows that a resource may have for one value, by looking for a smaller one beside it."""
    if not _is_one_value(probe):
        return None
    last, value = {("token", "code"): ("sid", "code"), ("reference", "id"): ("target_type", "target_id")}.get(
        (probe.kind, probe.groups[0].form), ("", "")
    )
    if not last:
        return None
    other = TABLES[_index_kind(probe)].alias("other")
    same = and_(*(other.c[name] == index.c[name] for name in ("pid", value, "rid")))
    return not_(select(true()).where(same, other.c[last] < index.c[last]).exists())


def _is_one_value(probe: Probe) -> bool:
    """Whether it asks for one key of an index that is kept in the order of resources under each key."""
    return (
        probe.kind in ("token", "reference", "uri")
        and probe.groups != (Group("system"),)
        and len(probe.groups) == 1
        and probe.groups[0].size == 1
    )


def _ordered(shape: Shape, driven: _Driven) -> Select[Any]:
    rid, query = driven.rid, driven.query
    if shape.order == "rid":
        query = query.where(rid > bindparam("after_rid")) if shape.after else query
        several = isinstance(shape.driver, int) and not _is_one_value(shape.probes[shape.driver])
        return (query.distinct() if several else query).order_by(rid)
    updated = resource.c.updated
    query = query.add_columns(updated)
    since: ColumnElement[int] = bindparam("after_updated")
    last: ColumnElement[int] = bindparam("after_rid")
    if shape.order == "updated":
        after = and_(updated >= since, or_(updated > since, rid > last))
        return (query.where(after) if shape.after else query).order_by(updated, resource.c.rid)
    after = and_(updated <= since, or_(updated < since, rid < last))
    return (query.where(after) if shape.after else query).order_by(updated.desc(), resource.c.rid.desc())


def _probe(number: int, probe: Probe, rid: ColumnElement[int], read: FromClause | None) -> _Clause:
    """Whether the candidate has a row that matches; each subquery looks up one key."""
    if probe.kind == "updated":
        if read is not None:
            return _any_group(number, probe, read)
        itself = resource.alias("itself")
        return _scalar(select(true()).where(itself.c.rid == rid, _any_group(number, probe, itself)))
    index = TABLES[probe.kind].alias(f"c{number}")
    pid: ColumnElement[int] = bindparam(f"c{number}_pid")
    if probe.kind in _RANGES:
        return _scalar(select(true()).where(index.c.pid == pid, index.c.rid == rid, _any_group(number, probe, index)))
    found: list[_Clause] = []
    for place, group in enumerate(probe.groups):
        clause = _group(number, place, group, probe.kind, index)
        if group.form == "system":
            # No index leads there by resource: the set is made once for the whole search.
            found.append(rid.in_(select(index.c.rid).where(index.c.pid == pid, clause)))
        else:
            found.append(_scalar(select(true()).where(index.c.pid == pid, index.c.rid == rid, clause)))
    return or_(*found)


def _scalar(query: Select[Any]) -> _Clause:
    return query.limit(1).scalar_subquery()


def _any_group(number: int, probe: Probe, index: FromClause) -> _Clause:
    return or_(*(_group(number, place, group, probe.kind, index) for place, group in enumerate(probe.groups)))


def _group(number: int, place: int, group: Group, kind: Kind, index: FromClause) -> _Clause:
    def values(column: str) -> list[ColumnElement[Any]]:
        return [bindparam(bound(number, place, item, column)) for item in range(group.size)]

    def one_of(column: str) -> _Clause:
        listed = values(column)
        return index.c[column] == listed[0] if len(listed) == 1 else index.c[column].in_(listed)

    match kind:
        case "token" | "reference" | "uri":
            shared = _SHARED.get((kind, group.form))
            alike = one_of(_VARYING[kind, group.form])
            return alike if shared is None else and_(index.c[shared] == values(shared)[0], alike)
        case "string":
            pairs = zip(values("low"), values("high"), strict=True)
            return or_(*(and_(index.c.value >= low, index.c.value < high) for low, high in pairs))
        case _:
            compare = _COMPARED[kind]
            return or_(*(compare(group.form, index, name) for name in _names(number, place, group.size)))


def _names(number: int, place: int, size: int) -> Sequence[Callable[[str], ColumnElement[Any]]]:
    def named(item: int) -> Callable[[str], ColumnElement[Any]]:
        return lambda column: bindparam(bound(number, place, item, column))

    return [named(item) for item in range(size)]


def _compare_updated(prefix: str, index: FromClause, value: Callable[[str], ColumnElement[Any]]) -> _Clause:
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


def _compare_date(prefix: str, index: FromClause, value: Callable[[str], ColumnElement[Any]]) -> _Clause:
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


def _compare_number(prefix: str, index: FromClause, value: Callable[[str], ColumnElement[Any]]) -> _Clause:
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
        case "ap":
            return and_(low <= value("high"), high >= value("low"))
        case _:
            equal = and_(low >= value("low"), high < value("high"))
            return equal if prefix == "eq" else not_(equal)


def _compare_quantity(form: str, index: FromClause, value: Callable[[str], ColumnElement[Any]]) -> _Clause:
    prefix, _, unit = form.partition(" ")
    number = _compare_number(prefix, index, value)
    match unit:
        case "":
            return number
        case "system":
            return and_(number, index.c.sid == value("sid"))
        case "system code":
            return and_(number, index.c.sid == value("sid"), index.c.code == value("code"))
        case _:
            return and_(number, or_(index.c.code == value("code"), index.c.unit == value("code")))


_RANGES: Final = frozenset({"date", "string", "number", "quantity"})
_VARYING: Final = {
    ("token", "system code"): "code",
    ("token", "code"): "code",
    ("token", "system"): "sid",
    ("reference", "type id"): "target_id",
    ("reference", "id"): "target_id",
    ("uri", "uri"): "value",
}
_SHARED: Final = {("token", "system code"): "sid", ("reference", "type id"): "target_type"}
_COMPARED: Final[dict[Kind, Callable[[str, FromClause, Callable[[str], ColumnElement[Any]]], _Clause]]] = {
    "updated": _compare_updated,
    "date": _compare_date,
    "number": _compare_number,
    "quantity": _compare_quantity,
}
