"""Says which of some resources fulfil a criterion: those that somebody may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import bindparam, literal, select

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.search.criteria import Criterion
from fhirplan.search.restrict import NONE, Allowed
from fhirplan.store import tables
from fhirplan.store.engine import Statement, Transaction, statement
from fhirplan.store.search.nodes import Compiler
from fhirplan.store.search.probes import fulfilling
from fhirplan.store.search.shapes import NOTHING, Node
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


def belongs(tx: Transaction, connection: str, version: Version, patient: str) -> bool:
    """Whether a current version is a patient's by its parameter ``patient``."""
    if version.body is not None and _names(version.type, version.body) == f"Patient/{patient}":
        return True
    return tx.one(_BELONGS, connection=connection, type=version.type, patient=patient, rid=version.rid) is not None


class _Named(msgspec.Struct):
    reference: str = ""


class _Whose(msgspec.Struct, rename={"for_": "for"}):
    """The elements that name a resource's patient, read without the rest of it."""

    subject: _Named | None = None
    for_: _Named | None = None
    patient: _Named | None = None
    beneficiary: _Named | None = None


_whose: Final = msgspec.json.Decoder(_Whose)
# By type the only element that names its patient; the database is asked where there are others, or it is no plain one.
_ELEMENT: Final = {
    spec.type: {"for": "for_"}.get(element, element)
    for spec in CATALOG.values()
    if len(spec.patient) == 1
    and (element := spec.patient[0].removeprefix(f"{spec.type}.")) in ("subject", "for", "patient", "beneficiary")
}


def _names(type: str, body: bytes) -> str:
    """Whom the text of a resource names as its patient, "" where that is not told plainly."""
    element = _ELEMENT.get(type)
    if element is None:
        return ""
    try:
        named = getattr(_whose.decode(body), element)
    except msgspec.DecodeError:
        return ""
    return named.reference if named is not None else ""


# The parameter's number is looked up with it, which costs less than to ask whether the numbers known are still right.
_BELONGS: Final = statement(
    select(literal(1))
    .select_from(
        tables.search_param.join(tables.index_reference, tables.index_reference.c.pid == tables.search_param.c.pid)
    )
    .where(
        tables.search_param.c.connection == bindparam("connection"),
        tables.search_param.c.type == bindparam("type"),
        tables.search_param.c.code == "patient",
        tables.search_param.c.state == "active",
        tables.index_reference.c.target_id == bindparam("patient"),
        tables.index_reference.c.rid == bindparam("rid"),
        tables.index_reference.c.target_type == "Patient",
    )
    .limit(1)
)


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
