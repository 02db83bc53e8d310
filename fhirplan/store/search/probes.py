"""Makes the SQL that asks one resource whether it fulfils part of a search.

Each part is a scalar subquery that looks up one key: ``EXISTS`` would let PostgreSQL turn it into a join over the whole
index.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, false, func, or_, select, true

from fhirplan.search.definitions import ParameterType
from fhirplan.store.indexes import TABLES
from fhirplan.store.search import shapes
from fhirplan.store.search.compare import any_group, one_of_group
from fhirplan.store.search.shapes import Kind, Node, Probe
from fhirplan.store.tables import resource

RANGES: Final = frozenset({"date", "string", "number", "quantity"})
"""Kinds of indexes that are kept by resource, with a second index by value."""


def index_kind(kind: Kind) -> ParameterType:
    """The kind of index that is asked for a condition; raises ValueError for what the resource itself tells."""
    if kind == "updated" or kind == "id":
        raise ValueError(f"the {kind} of a resource has no index table")
    return kind


def fulfilling(node: Node, rid: ColumnElement[int], read: FromClause | None) -> ColumnElement[bool]:
    """Whether the candidate of that rid fulfils a part of a shape; ``read`` is its row of ``resource`` if at hand."""
    match node:
        case Probe():
            return _probe(node, rid, read)
        case shapes.Present(slot, kinds):
            return or_(*(_present(slot, kind, rid) for kind in kinds))
        case shapes.Forward(slot, inner):
            return _forward(slot, inner, rid)
        case shapes.Backward(slot, inner):
            return _backward(slot, inner, rid, read)
        case shapes.All(parts):
            return and_(true(), *(fulfilling(part, rid, read) for part in parts)) if parts else true()
        case shapes.Any(parts):
            return or_(false(), *(fulfilling(part, rid, read) for part in parts)) if parts else false()
        case shapes.Not(part):
            return _not(fulfilling(part, rid, read))


def is_none(query: Select[Any]) -> ColumnElement[bool]:
    """Whether a query for ``true`` finds nothing."""
    return _not(_scalar(query))


def _not(held: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether something does not hold, or cannot be told."""
    return func.coalesce(held, false()).is_(false())


def _probe(probe: Probe, rid: ColumnElement[int], read: FromClause | None) -> ColumnElement[bool]:
    """Whether the candidate has a row that matches; each subquery looks up one key."""
    if probe.kind in ("updated", "id"):
        if read is not None:
            return any_group(probe, read)
        itself = resource.alias(f"itself{probe.slot}")
        return _scalar(select(true()).where(itself.c.rid == rid, any_group(probe, itself)))
    index = TABLES[index_kind(probe.kind)].alias(f"c{probe.slot}")
    pid: ColumnElement[int] = bindparam(f"c{probe.slot}_pid")
    mine = and_(index.c.pid == pid, index.c.rid == rid)
    if probe.kind in RANGES:
        return _scalar(select(true()).where(mine, any_group(probe, index)))
    return or_(
        *(
            _scalar(select(true()).where(mine, one_of_group(probe, place, group, index)))
            for place, group in enumerate(probe.groups)
        )
    )


def _present(slot: int, kind: ParameterType, rid: ColumnElement[int]) -> ColumnElement[bool]:
    index = TABLES[kind].alias(f"c{slot}{kind}")
    return _scalar(select(true()).where(index.c.rid == rid, index.c.pid == bindparam(f"c{slot}_pid")))


def _forward(slot: int, inner: Node, rid: ColumnElement[int]) -> ColumnElement[bool]:
    """Follows the candidate's references. A subquery within another cannot be turned round, as a join could be."""
    link, target = TABLES["reference"].alias(f"c{slot}"), resource.alias(f"t{slot}")
    there = select(true()).where(
        target.c.connection == bindparam("connection"),
        target.c.type == link.c.target_type,
        target.c.id == link.c.target_id,
        target.c.deleted == 0,
        fulfilling(inner, target.c.rid, target),
    )
    return _scalar(
        select(true()).where(
            link.c.rid == rid,
            link.c.pid == bindparam(f"c{slot}_pid"),
            link.c.target_type == bindparam(f"c{slot}_type"),
            _scalar(there),
        )
    )


def _backward(slot: int, inner: Node, rid: ColumnElement[int], read: FromClause | None) -> ColumnElement[bool]:
    """Looks at what refers to the candidate."""
    link = TABLES["reference"].alias(f"c{slot}")
    itself = read if read is not None else resource.alias(f"t{slot}")
    found = _scalar(
        select(true()).where(
            link.c.pid == bindparam(f"c{slot}_pid"),
            link.c.target_type == bindparam(f"c{slot}_type"),
            link.c.target_id == itself.c.id,
            fulfilling(inner, link.c.rid, None),
        )
    )
    return found if read is not None else _scalar(select(true()).where(itself.c.rid == rid, found))


def _scalar(query: Select[Any]) -> ColumnElement[bool]:
    return query.limit(1).scalar_subquery()
