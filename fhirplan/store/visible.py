"""Says which of some resources fulfil a criterion: those that somebody may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from sqlalchemy import bindparam, select

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.search.criteria import Criterion
from fhirplan.search.restrict import NONE, Allowed
from fhirplan.store import tables
from fhirplan.store.engine import Statement, Transaction, statement
from fhirplan.store.search_nodes import Compiler
from fhirplan.store.search_shapes import NOTHING, Node
from fhirplan.store.search_statements import fulfilling
from fhirplan.store.versions import Version

AT_ONCE: Final = 256


class Eyes(Protocol):
    """What somebody may see: called with a type, what a resource of it must fulfil, None where all may be seen."""

    def __call__(self, type_: str, /) -> Criterion | None:
        """As ``search.restrict.Allowed``."""

    def sees(self, version: Version, /) -> bool:
        """Whether a current version may be seen, also one that is made when it is read."""


def visible(
    tx: Transaction,
    connection: str,
    type: str,
    rids: Iterable[int],
    criterion: Criterion | None,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
) -> set[int]:
    """Those of the live resources of a type, by their numbers, that fulfil the criterion; all of them without one."""
    listed = sorted(set(rids))
    if criterion is None or not listed or criterion == NONE:
        return set(listed) if criterion is None else set()
    compiler = Compiler(tx, connection, catalog, type)
    node = compiler.node(type, criterion)
    if node == NOTHING:
        return set()
    found: set[int] = set()
    for begin in range(0, len(listed), AT_ONCE):
        part = listed[begin : begin + AT_ONCE]
        size = 1 << (len(part) - 1).bit_length()
        filled = [*part, *([part[-1]] * (size - len(part)))]
        named = {f"r{place}": rid for place, rid in enumerate(filled)}
        found.update(row[0] for row in tx.all(_statement(size, node), **compiler.params, **named))
    return found


def visible_of_any(
    tx: Transaction,
    connection: str,
    rids: Iterable[int],
    allowed: Allowed,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
) -> set[int]:
    """As ``visible``, of resources of any types."""
    by_type: dict[str, list[int]] = {}
    for rid in set(rids):
        row = tx.one(_TYPE, rid=rid)
        if row is not None:
            by_type.setdefault(str(row[0]), []).append(rid)
    return {
        rid
        for type_, listed in by_type.items()
        for rid in visible(tx, connection, type_, listed, allowed(type_), catalog)
    }


_TYPE: Final = statement(select(tables.resource.c.type).where(tables.resource.c.rid == bindparam("rid")))


@lru_cache(maxsize=512)
def _statement(count: int, node: Node) -> Statement:
    among: list[Any] = [bindparam(f"r{place}") for place in range(count)]
    table = tables.resource
    wanted = table.c.rid.in_(among) if count > 1 else table.c.rid == among[0]
    return statement(select(table.c.rid).where(wanted, table.c.deleted == 0, fulfilling(node, table.c.rid, table)))
