"""Finds whom and what a patient's resources refer to: the people, organizations and places around the patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, select

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.search.criteria import Criterion
from fhirplan.search.restrict import NONE
from fhirplan.store import parameters, tables
from fhirplan.store.engine import Statement, Transaction, statement
from fhirplan.store.search.nodes import Compiler
from fhirplan.store.search.probes import fulfilling
from fhirplan.store.search.shapes import NOTHING, Node

ROLE: Final = "PractitionerRole"
"""What is only a person at an organization: whom it stands for is seen with it."""


def referred(
    tx: Transaction,
    connection: str,
    patient: str,
    owned: Iterable[str],
    wanted: Iterable[str],
    seen: Callable[[str], Criterion | None] = lambda _type: None,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
) -> dict[str, set[str]]:
    """The ids, by type, of what is ``wanted`` and referred to by a resource of this patient or the patient's own.

    A resource is the patient's by its parameter ``patient``, of each type in ``owned``; only those that fulfil
    ``seen`` count. What a role refers to counts as referred to with it. Only references that are search parameters
    are known.
    """
    types = frozenset(wanted)
    found: dict[str, set[str]] = {type_: set() for type_ in types}
    for type_ in owned:
        pid = parameters.searched(tx, connection, catalog[type_], "patient")
        if pid is not None:
            _follow(tx, connection, type_, seen(type_), found, catalog, pid=pid, patient=patient)
    _follow(tx, connection, "Patient", seen("Patient"), found, catalog, id=patient)
    for role in sorted(found.get(ROLE, ())):
        _follow(tx, connection, ROLE, seen(ROLE), found, catalog, id=role)
    return found


def _follow(
    tx: Transaction,
    connection: str,
    type_: str,
    own: Criterion | None,
    found: dict[str, set[str]],
    catalog: Mapping[str, ResourceSpec],
    **named: Any,
) -> None:
    if own == NONE:
        return
    compiler = Compiler(tx, connection, catalog, type_)
    node = compiler.node(type_, own) if own is not None else None
    if node == NOTHING:
        return
    stmt = _by_patient(node) if "pid" in named else _by_id(node)
    for target, id_ in tx.all(stmt, **{**compiler.params, "connection": connection, "type": type_, **named}):
        if target in found:
            found[target].add(id_)


@lru_cache(maxsize=256)
def _by_patient(node: Node | None) -> Statement:
    link, owned = tables.index_reference, tables.index_reference.alias("owned")
    query = (
        select(link.c.target_type, link.c.target_id)
        .distinct()
        .select_from(owned.join(link, link.c.rid == owned.c.rid))
        .where(
            owned.c.pid == bindparam("pid"),
            owned.c.target_id == bindparam("patient"),
            owned.c.target_type == "Patient",
        )
    )
    return statement(query if node is None else query.where(fulfilling(node, owned.c.rid, None)))


@lru_cache(maxsize=256)
def _by_id(node: Node | None) -> Statement:
    link, itself = tables.index_reference, tables.resource
    query = (
        select(link.c.target_type, link.c.target_id)
        .distinct()
        .select_from(itself.join(link, link.c.rid == itself.c.rid))
        .where(
            itself.c.connection == bindparam("connection"),
            itself.c.type == bindparam("type"),
            itself.c.id == bindparam("id"),
            itself.c.deleted == 0,
        )
    )
    return statement(query if node is None else query.where(fulfilling(node, itself.c.rid, itself)))
