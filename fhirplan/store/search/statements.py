"""Makes the SQL of a search from its shape: which index drives it, which ones are probed, in what order it is read.

A shape holds no values, so a statement is made once per shape. The driving index is chosen by the caller, and fixed by
an inner select with a limit that neither database takes apart. Everything else is asked of each candidate (``probes``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
)

from fhirplan.store import versions
from fhirplan.store.engine import Statement, statement
from fhirplan.store.indexes import TABLES
from fhirplan.store.search.compare import any_group
from fhirplan.store.search.probes import RANGES, fulfilling, index_kind, is_none
from fhirplan.store.search.shapes import Key, Kind, Probe, Shape
from fhirplan.store.tables import resource, version

_Clause = ColumnElement[bool]


@lru_cache(maxsize=2048)
def search_statement(shape: Shape) -> Statement:
    """The statement of a shape.

    Its values are bound by the names that ``bound`` gives, ``c{slot}_pid`` for a parameter's number, ``c{slot}_type``
    for the type at the other end of a reference, ``k{place}`` and ``after_rid`` for the position it goes on after, and
    ``connection``, ``type``, ``id`` and ``limit`` where the shape has them. Each row is what ``result`` says, then the
    keys of the order.
    """
    driven = _driven(shape)
    for place, node in enumerate(shape.nodes):
        if place != shape.driver:
            driven = driven.where(fulfilling(node, driven.rid, driven.resource))
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
    keys = [inner.c[f"key{place}"] for place in range(len(shape.keys))]
    return statement(select(*versions.COLUMNS, *keys).select_from(joined))


@dataclass(frozen=True, slots=True)
class _Driven:
    """The select of the candidates; ``resource`` is the resource table where it reads that.

    ``values`` are the keys of the order where the index of these is read.
    """

    query: Select[Any]
    rid: ColumnElement[int]
    resource: FromClause | None
    values: tuple[ColumnElement[Any], ...] = ()

    def where(self, clause: _Clause) -> _Driven:
        return _Driven(self.query.where(clause), self.rid, self.resource, self.values)


def _driven(shape: Shape) -> _Driven:
    if shape.driver == "key":
        return _driven_by_key(shape.keys)
    if not isinstance(shape.driver, int):
        found = select(resource.c.rid).where(
            resource.c.connection == bindparam("connection"),
            resource.c.type == bindparam("type"),
            resource.c.deleted == 0,
        )
        if shape.driver == "id":
            found = found.where(resource.c.id == bindparam("id"))
        return _Driven(found, resource.c.rid, resource)
    probe = shape.nodes[shape.driver]
    if not isinstance(probe, Probe):
        raise TypeError("only the index of a condition can be read")
    index = TABLES[index_kind(probe.kind)].alias(f"c{probe.slot}")
    found = select(index.c.rid).where(index.c.pid == bindparam(f"c{probe.slot}_pid"), any_group(probe, index))
    if probe.kind in RANGES and shape.result != "some":
        # They are known to be few; without the limit the index by resource would be read, to save sorting them.
        few = found.limit(bindparam("few")).subquery(f"few{probe.slot}")
        return _timed(shape, select(few.c.rid), few.c.rid)
    if shape.result in ("versions", "positions"):
        once = _once(probe, index)
        found = found.where(once) if once is not None else found
    return _timed(shape, found, index.c.rid)


def _timed(shape: Shape, query: Select[Any], rid: ColumnElement[int]) -> _Driven:
    """With the resources themselves where the order is that of their time."""
    if not _reads_time(shape.keys):
        return _Driven(query, rid, None)
    return _Driven(query.join(resource, resource.c.rid == rid), rid, resource)


def _reads_time(keys: Sequence[Key]) -> bool:
    return len(keys) == 1 and keys[0].kind == "updated"


def _driven_by_key(keys: Sequence[Key]) -> _Driven:
    """The rows of the keys' index, of each resource only the one that its place in the order is told by."""
    key = keys[0]
    table = TABLES[index_kind(key.kind)]
    index, other = table.alias(f"c{key.slot}"), table.alias("other")
    names = [column.name for column in table.c if column.name not in ("pid", "rid")]
    here, there = (tuple_(*(item.c[name] for name in names)) for item in (index, other))
    better = there > here if key.descending else there < here
    same = and_(other.c.pid == index.c.pid, other.c.rid == index.c.rid)
    values = tuple(index.c[item.column] for item in keys)
    named = [value.label(f"key{place}") for place, value in enumerate(values)]
    found = select(index.c.rid, *named).where(
        index.c.pid == bindparam(f"c{key.slot}_pid"), is_none(select(true()).where(same, better))
    )
    return _Driven(found, index.c.rid, None, values)


def _once(probe: Probe, index: FromClause) -> _Clause | None:
    """Keeps one of the rows that a resource may have for one value, by looking for a smaller one beside it."""
    if not _is_one_value(probe):
        return None
    last, value = _REPEATED.get((probe.kind, probe.groups[0].form), ("", ""))
    if not last:
        return None
    other = TABLES[index_kind(probe.kind)].alias("other")
    same = and_(*(other.c[name] == index.c[name] for name in ("pid", value, "rid")))
    return is_none(select(true()).where(same, other.c[last] < index.c[last]))


# Of what a resource may have several rows for one value: the column these differ in, and that of the value.
_REPEATED: Final[dict[tuple[Kind, str], tuple[str, str]]] = {
    ("token", "code"): ("sid", "code"),
    ("token", "system"): ("code", "sid"),
    ("reference", "id"): ("target_type", "target_id"),
}


def _is_one_value(probe: Probe) -> bool:
    """Whether it asks for one key of an index that is kept in the order of resources under each key."""
    return (
        probe.kind in ("token", "reference", "uri")
        and probe.groups[0].form != "below"
        and len(probe.groups) == 1
        and probe.groups[0].size == 1
    )


def _ordered(shape: Shape, driven: _Driven) -> Select[Any]:
    several = isinstance(shape.driver, int) and not _is_one_value(_probe_of(shape))
    if not shape.keys:
        query = driven.query.where(driven.rid > bindparam("after_rid")) if shape.after is not None else driven.query
        return (query.distinct() if several else query).order_by(driven.rid)
    if _reads_time(shape.keys):
        timed = driven.query.add_columns(resource.c.updated.label("key0"))
        return _along(shape, timed, (resource.c.updated,), resource.c.rid)
    if shape.driver == "keyless":
        return _by_rid(shape, driven)
    if driven.values:
        return _along(shape, driven.query, driven.values, driven.rid)
    if several:
        ids = driven.query.distinct().subquery("candidates")
        driven = _Driven(select(ids.c.rid), ids.c.rid, None)
    values = [_value(key, driven).label(f"key{place}") for place, key in enumerate(shape.keys)]
    keyed = driven.query.add_columns(*values).subquery("keyed")
    columns = [keyed.c[f"key{place}"] for place in range(len(shape.keys))]
    query = select(keyed.c.rid, *columns)
    if shape.after is not None:
        query = query.where(_after(shape.keys, shape.after, columns, keyed.c.rid))
    return query.order_by(*_directions(shape.keys, columns, keyed.c.rid))


def _by_rid(shape: Shape, driven: _Driven) -> Select[Any]:
    """What has no value of the only key."""
    descending = shape.keys[0].descending
    last: ColumnElement[int] = bindparam("after_rid")
    query = driven.query.add_columns(*(null().label(f"key{place}") for place in range(len(shape.keys))))
    if shape.after is not None:
        query = query.where(driven.rid < last if descending else driven.rid > last)
    return query.order_by(driven.rid.desc() if descending else driven.rid)


def _probe_of(shape: Shape) -> Probe:
    found = shape.nodes[shape.driver] if isinstance(shape.driver, int) else None
    if not isinstance(found, Probe):
        raise TypeError("only the index of a condition can be read")
    return found


def _along(
    shape: Shape, query: Select[Any], values: Sequence[ColumnElement[Any]], rid: ColumnElement[int]
) -> Select[Any]:
    """The candidates in the order of an index that begins with their keys."""
    descending, places = shape.keys[0].descending, (*values, rid)
    if shape.after is not None:
        last = tuple_(*(bindparam(f"k{place}") for place in range(len(values))), bindparam("after_rid"))
        begin: ColumnElement[Any] = bindparam("k0")
        # The first comparison is the one that an index is entered by.
        if descending:
            query = query.where(values[0] <= begin, tuple_(*places) < last)
        else:
            query = query.where(values[0] >= begin, tuple_(*places) > last)
    return query.order_by(*(item.desc() if descending else item.asc() for item in places))


def _value(key: Key, driven: _Driven) -> ColumnElement[Any]:
    """The resource's value of a key of the order; NULL where it has none."""
    if key.kind in ("updated", "id"):
        if driven.resource is not None:
            return driven.resource.c[key.column]
        itself = resource.alias(f"k{key.slot}")
        return select(itself.c[key.column]).where(itself.c.rid == driven.rid).limit(1).scalar_subquery()
    index = TABLES[index_kind(key.kind)].alias(f"k{key.slot}")
    ordered = [item.desc() if key.descending else item.asc() for item in _telling(index, key)]
    found = select(index.c[key.column]).where(index.c.rid == driven.rid, index.c.pid == bindparam(f"c{key.slot}_pid"))
    return found.order_by(*ordered).limit(1).scalar_subquery()


def _telling(index: FromClause, key: Key) -> list[ColumnElement[Any]]:
    """The columns by which one of a resource's values goes before another."""
    return [index.c.low, index.c.high] if key.kind == "date" else [index.c[key.column]]


def _after(
    keys: Sequence[Key], valued: Sequence[bool], columns: Sequence[ColumnElement[Any]], rid: ColumnElement[int]
) -> _Clause:
    """What comes after the position: further on by a key when all before it are equal, or by rid when all are."""
    last: ColumnElement[int] = bindparam("after_rid")
    following: list[_Clause] = []
    equal: list[_Clause] = []
    for place, (key, has_value, column) in enumerate(zip(keys, valued, columns, strict=True)):
        # What has no value comes last, so nothing but rid leads on from there.
        if has_value:
            since: ColumnElement[Any] = bindparam(f"k{place}")
            further = column < since if key.descending else column > since
            following.append(and_(*equal, or_(further, column.is_(None))))
            equal.append(column == since)
        else:
            equal.append(column.is_(None))
    following.append(and_(*equal, rid < last if keys[0].descending else rid > last))
    return or_(*following)


def _directions(
    keys: Sequence[Key], columns: Sequence[ColumnElement[Any]], rid: ColumnElement[int]
) -> list[ColumnElement[Any]]:
    listed: list[ColumnElement[Any]] = []
    for key, column in zip(keys, columns, strict=True):
        listed += [column.is_(None), column.desc() if key.descending else column.asc()]
    return [*listed, rid.desc() if keys[0].descending else rid.asc()]
