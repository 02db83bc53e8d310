"""Finds what refers to a resource by one of some search parameters, in the order of storing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, select

from fhirplan.catalog import CATALOG
from fhirplan.search.restrict import NONE, Allowed
from fhirplan.store.engine import Statement, Transaction, statement
from fhirplan.store.search.nodes import Compiler
from fhirplan.store.search.probes import fulfilling
from fhirplan.store.search.shapes import NOTHING, Node
from fhirplan.store.tables import index_reference, search_param
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions
from fhirplan.store.versions import COLUMNS, Version, of_row

_MEMBERS: Final = (
    select(*COLUMNS)
    .select_from(
        search_param.join(index_reference, index_reference.c.pid == search_param.c.pid)
        .join(resources, resources.c.rid == index_reference.c.rid)
        .join(versions, versions.c.vid == resources.c.vid)
    )
    .where(
        search_param.c.connection == bindparam("connection"),
        search_param.c.type == bindparam("type"),
        search_param.c.code == bindparam("code"),
        search_param.c.state == "active",
        index_reference.c.target_id == bindparam("target_id"),
        index_reference.c.target_type == bindparam("target_type"),
        index_reference.c.rid > bindparam("after"),
        resources.c.updated >= bindparam("since"),
        resources.c.deleted == 0,
    )
    .order_by(index_reference.c.rid)
    .limit(bindparam("count"))
)


@lru_cache(maxsize=256)
def _members(node: Node | None) -> Statement:
    return statement(_MEMBERS if node is None else _MEMBERS.where(fulfilling(node, index_reference.c.rid, resources)))


def members(
    tx: Transaction,
    connection: str,
    type: str,
    codes: Iterable[str],
    target: tuple[str, str],
    *,
    after: int = 0,
    since: int = 0,
    count: int,
    allowed: Allowed | None = None,
) -> list[Version]:
    """The first ``count`` current versions of a type that refer to ``target`` (type and id) by one of ``codes``.

    Only those stored first after the resource number ``after`` and changed at or after ``since`` (ms since 1970), and
    with ``allowed`` only those that it lets be seen.
    """
    own = allowed(type) if allowed is not None else None
    compiler = Compiler(tx, connection, CATALOG, type)
    node = compiler.node(type, own) if own is not None else None
    if own == NONE or node == NOTHING:
        return []
    found: dict[int, Version] = {}
    for code in codes:
        asked: dict[str, Any] = {
            "code": code,
            "target_type": target[0],
            "target_id": target[1],
            "after": after,
            "since": since,
            "count": count,
        }
        rows = tx.all(_members(node), **compiler.params, **asked)
        found.update((row[0], of_row(row)) for row in rows)
    return [found[rid] for rid in sorted(found)[:count]]
