"""Makes the SQL of includes: what resources refer to, what refers to them, the current versions of some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, text

from fhirplan.store import tables, versions
from fhirplan.store.engine import Statement, statement
from fhirplan.store.search.probes import fulfilling
from fhirplan.store.search.shapes import Node

AT_ONCE: Final = 256
"""One statement asks for so many resources."""


def padded(values: Sequence[Any]) -> tuple[Any, ...]:
    """The values, the last one repeated up to a power of two, so that there are few statements."""
    size = 1 << (len(values) - 1).bit_length()
    return (*values, *([values[-1]] * (size - len(values))))


def parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """The values, so many at once as a statement takes, each part padded."""
    for begin in range(0, len(values), AT_ONCE):
        yield padded(values[begin : begin + AT_ONCE])


def named(prefix: str, values: Sequence[Any]) -> dict[str, Any]:
    """The values by the names that they are bound by."""
    return {f"{prefix}{place}": value for place, value in enumerate(values)}


def _among(prefix: str, count: int) -> list[Any]:
    return [bindparam(f"{prefix}{place}") for place in range(count)]


@lru_cache(maxsize=256)
def targets_statement(rids: int, pids: int, targeted: bool) -> Statement:
    """The numbers of what so many resources refer to by so many parameters; NULL where that is not here."""
    return statement(_targets_query(rids, pids, targeted))


@lru_cache(maxsize=256)
def whole_targets_statement(rids: int, pids: int, targeted: bool) -> Statement:
    """As ``targets_statement``, the current versions, each once and no more than ``limit``."""
    resource, version = tables.resource, tables.version
    # Joined rather than asked for with IN, which PostgreSQL would answer by going through all resources.
    named = _targets_query(rids, pids, targeted).distinct().subquery("named")
    joined = named.join(resource, resource.c.rid == named.c.rid).join(version, version.c.vid == resource.c.vid)
    query = select(*versions.COLUMNS).select_from(joined)
    return Statement(text(_on_sqlite(rids, pids, targeted)), query.order_by(resource.c.rid).limit(bindparam("limit")))


def _on_sqlite(rids: int, pids: int, targeted: bool) -> str:
    """The same for SQLite, which takes the tables of a CROSS JOIN in the order they are named in."""
    columns = ", ".join(f"{column.table.name}.{column.name}" for column in versions.COLUMNS)
    among = [", ".join(f":{prefix}{place}" for place in range(count)) for prefix, count in (("r", rids), ("p", pids))]
    only = " AND target_type = :target" if targeted else ""
    return (
        f"SELECT {columns} FROM (SELECT DISTINCT target_type, target_id FROM index_reference "  # noqa: S608 - no values
        f"WHERE rid IN ({among[0]}) AND pid IN ({among[1]}){only}) AS link CROSS JOIN resource CROSS JOIN version "
        "WHERE resource.connection = :connection AND resource.type = link.target_type "
        "AND resource.id = link.target_id AND resource.deleted = 0 AND version.vid = resource.vid LIMIT :limit"
    )


def _targets_query(rids: int, pids: int, targeted: bool) -> Select[tuple[int]]:
    link, resource = tables.index_reference, tables.resource
    # A subquery rather than a join, which could be turned round to begin at all resources of a type.
    there = (
        select(resource.c.rid)
        .where(
            resource.c.connection == bindparam("connection"),
            resource.c.type == link.c.target_type,
            resource.c.id == link.c.target_id,
            resource.c.deleted == 0,
        )
        .scalar_subquery()
    )
    query = select(there.label("rid")).where(link.c.rid.in_(_among("r", rids)), link.c.pid.in_(_among("p", pids)))
    return query.where(link.c.target_type == bindparam("target")) if targeted else query


@lru_cache(maxsize=256)
def sources_statement(ids: int, pids: int, node: Node | None = None) -> Statement:
    """The numbers of what refers to so many ids of a type and fulfils the node, no more than ``limit``."""
    link = tables.index_reference
    query = (
        select(link.c.rid)
        .distinct()
        .where(
            link.c.pid.in_(_among("p", pids)),
            link.c.target_id.in_(_among("r", ids)),
            link.c.target_type == bindparam("target"),
        )
        .limit(bindparam("limit"))
    )
    return statement(query if node is None else query.where(fulfilling(node, link.c.rid, None)))


@lru_cache(maxsize=32)
def versions_statement(rids: int) -> Statement:
    """The current versions of so many resources."""
    resource, version = tables.resource, tables.version
    joined = resource.join(version, version.c.vid == resource.c.vid)
    return statement(select(*versions.COLUMNS).select_from(joined).where(resource.c.rid.in_(_among("r", rids))))
