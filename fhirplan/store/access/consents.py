"""Knows the rules of all consents in force on a connection, read once and kept up to date.

A process remembers them, and asks with each transaction what has changed since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import bindparam, select

from fhirplan.access.consent import Rule, rules
from fhirplan.store import tables
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.versions import resource_of

_MEMORY: Final = "consents"
_NOTED: Final = "consents of"
# Writers that began earlier may end later, with times a little older than what was read already.
_OVERLAP: Final = 60_000
_r, _v = tables.resource.c, tables.version.c
_CHANGED: Final = statement(
    select(_r.rid, _r.version, _r.updated, _r.deleted)
    .where(_r.connection == bindparam("connection"), _r.type == "Consent", _r.updated >= bindparam("since"))
    .order_by(_r.updated)
)
_BODY: Final = statement(
    select(_v.body)
    .select_from(tables.resource.join(tables.version, _v.vid == _r.vid))
    .where(_r.rid == bindparam("rid"))
)


@dataclass(slots=True)
class _Known:
    """What is remembered of one connection: by resource number its version and its rules."""

    since: int = 0
    listed: dict[int, tuple[int, tuple[Rule, ...]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def of_connection(tx: Transaction, connection: str) -> tuple[Rule, ...]:
    """All rules of the consents that are active now in this transaction's view."""
    noted: dict[str, tuple[Rule, ...]] = tx.notes.setdefault(_NOTED, {})
    if connection in noted and not tx.writing:
        return noted[connection]
    memory: dict[str, _Known] = tx.database.memory.setdefault(_MEMORY, {})
    known = memory.setdefault(connection, _Known())
    with known.lock:
        changed = _changed(tx, connection, known)
        if tx.writing:
            # It may still be undone, so nothing of it is remembered.
            listed = {**known.listed, **changed}
        else:
            known.listed.update(changed)
            listed = known.listed
        made = tuple(rule for _, found in listed.values() for rule in found)
    noted[connection] = made
    return made


def _changed(tx: Transaction, connection: str, known: _Known) -> dict[int, tuple[int, tuple[Rule, ...]]]:
    rows = tx.all(_CHANGED, connection=connection, since=known.since - _OVERLAP)
    found: dict[int, tuple[int, tuple[Rule, ...]]] = {}
    for rid, version, _updated, deleted in rows:
        before = known.listed.get(rid)
        if before is None or before[0] < version:
            found[rid] = (version, () if deleted else _rules(tx, rid))
    if rows and not tx.writing:
        known.since = max(known.since, int(rows[-1][2]))
    return found


def _rules(tx: Transaction, rid: int) -> tuple[Rule, ...]:
    row = tx.one(_BODY, rid=rid)
    return rules(resource_of(row[0])) if row is not None and row[0] is not None else ()


def patients(found: Iterable[Rule]) -> frozenset[str]:
    """The patients that rules are of."""
    return frozenset(rule.patient for rule in found)
