"""Finds the patients of whose records something may be withheld from a reader, without reading their records."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.errors import TooCostly
from fhirplan.store import parameters, tables
from fhirplan.store.access.withheld import MOST_PATIENTS, Withheld
from fhirplan.store.engine import Transaction, statement

_t, _r = tables.index_token.c, tables.index_reference.c
_LABELLED: Final = (_t.pid == bindparam("pid"), _t.sid == bindparam("sid"), _t.code == bindparam("code"))
_OWNERS: Final = statement(
    select(_r.target_id)
    .distinct()
    .select_from(tables.index_token.join(tables.index_reference, _r.rid == _t.rid))
    .where(*_LABELLED, _r.pid == bindparam("owner"), _r.target_type == "Patient")
)
_THEMSELVES: Final = statement(
    select(tables.resource.c.id)
    .select_from(tables.index_token.join(tables.resource, tables.resource.c.rid == _t.rid))
    .where(*_LABELLED)
)


def affected(tx: Transaction, connection: str, withheld: Withheld) -> frozenset[str]:
    """The ids of all patients of whom anything is withheld, and of some of whom nothing is.

    They are those of whom a consent forbids the reader something, and those with a resource that has a guarded label.
    Raises TooCostly where they are more than lists can be made for.
    """
    found = {rule.patient for rule in withheld.rules if not rule.permits}
    guarded = () if withheld.reader.trusted else withheld.reader.guarded
    for system, code in guarded:
        sid = parameters.system(tx, system)
        if sid is None:
            continue
        for spec in CATALOG.values():
            found |= _owners(tx, connection, spec, sid, code)
    if len(found) > MOST_PATIENTS:
        raise TooCostly("Something is withheld of too many patients for a list of them all. Open one patient's chart.")
    return frozenset(found)


def _owners(tx: Transaction, connection: str, spec: ResourceSpec, sid: int, code: str) -> set[str]:
    """The patients with a resource of one type that has a label."""
    security = parameters.searched(tx, connection, spec, "_security")
    if security is None:
        return set()
    label = {"pid": security, "sid": sid, "code": code}
    if spec.type == "Patient":
        return {str(row[0]) for row in tx.all(_THEMSELVES, **label)}
    if spec.parameter("patient") is None:
        return set()
    owner = parameters.searched(tx, connection, spec, "patient")
    return {str(row[0]) for row in tx.all(_OWNERS, **label, owner=owner)} if owner is not None else set()
