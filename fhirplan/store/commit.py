"""Commits changes: a version, its index rows, its outbox row and its audit row, together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, select, text

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.errors import Gone, NotFound, NotSupported, VersionMismatch
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.fhir.resource import same_content, stamped
from fhirplan.search.values import Row
from fhirplan.store import indexes, subscribers, tables
from fhirplan.store.changes import Base, Change, Origin
from fhirplan.store.commit_rows import STATE_TYPES, Plan, Rows, Stored, Work, lane
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import listed
from fhirplan.store.versions import Version, resource_of

__all__ = ["STATE_TYPES", "Base", "Change", "Origin", "commit", "lane", "rows_of", "with_rows"]

_STORED: Final = statement(
    select(
        tables.resource.c.rid,
        tables.resource.c.version,
        tables.resource.c.updated,
        tables.resource.c.deleted,
        tables.version.c.method,
        tables.version.c.body,
    )
    .select_from(tables.resource.join(tables.version, tables.version.c.vid == tables.resource.c.vid))
    .where(
        tables.resource.c.connection == bindparam("connection"),
        tables.resource.c.type == bindparam("type"),
        tables.resource.c.id == bindparam("id"),
    )
)
_STORED_OF: Final = listed(
    "resource.id, resource.rid, resource.version, resource.updated, resource.deleted, version.method, version.body",
    "CROSS JOIN resource JOIN version ON version.vid = resource.vid "
    "WHERE resource.connection = :connection AND resource.type = :type AND resource.id = listed.value",
)
# Only on PostgreSQL.
_NAMED: Final = "unnest(CAST(:types AS text[]), CAST(:ids AS text[])) AS named (type, id)"
_LOCK: Final = statement(
    text(
        f"SELECT resource.rid FROM {_NAMED} JOIN resource ON resource.connection = :connection "  # noqa: S608
        "AND resource.type = named.type AND resource.id = named.id "
        "ORDER BY resource.type, resource.id FOR UPDATE OF resource"
    )
)
_ALL_STORED: Final = statement(
    text(
        "SELECT resource.type, resource.id, resource.rid, resource.version, resource.updated, resource.deleted, "  # noqa: S608
        f"version.method, version.body FROM {_NAMED} JOIN resource ON resource.connection = :connection "
        "AND resource.type = named.type AND resource.id = named.id JOIN version ON version.vid = resource.vid"
    )
)


def commit(
    tx: Transaction,
    connection: str,
    changes: Sequence[Change],
    *,
    now: int,
    origin: Origin,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
    base: str = "",
) -> list[Version]:
    """Carries out the changes in their order and gives the version each led to.

    Stamps id, meta.versionId and meta.lastUpdated (``now``, in milliseconds, or the last change's time if that is
    later). An update that changes nothing gives the current version and writes nothing. A create or update of a
    deleted resource makes the version after the deletion. ``base`` is the url of our FHIR endpoint, by which absolute
    references to our own resources are known.

    Raises VersionMismatch when ``expected`` does not hold or a create finds a live resource; NotFound and Gone for a
    delete of what never was or is deleted already; NotSupported for a type that the catalog does not have. Whatever
    it raises, leave the transaction with it: some of the changes may be written.
    """
    work = Work(tx, connection, now, origin, base)
    made: list[Version] = []
    _lock(work, changes)
    for batch in _batches(changes):
        found = _stored(work, batch)
        plans = [
            _planned(work, change, _spec(catalog, change.type), row) for change, row in zip(batch, found, strict=True)
        ]
        made.extend(_commit_batch(work, plans))
    return made


def with_rows(change: Change, base: str, catalog: Mapping[str, ResourceSpec] = CATALOG) -> Change:
    """The change with its index rows, so that nobody waits while they are found; call it before ``Database.write``.

    ``base`` as for ``commit``. Raises NotSupported for a type that the catalog does not have.
    """
    if change.resource is None:
        return change
    return replace(change, rows=frozenset(rows_of(change.type, change.resource, base, catalog)))


def rows_of(type: str, resource: Resource, base: str, catalog: Mapping[str, ResourceSpec] = CATALOG) -> Set[Row]:
    """The index rows of a resource; ``base`` as for ``commit``. Raises NotSupported as ``with_rows``."""
    return indexes.rows_of(_spec(catalog, type), base)(resource)


def _batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Runs of changes in which no resource comes twice, so that each run can be read first and then written."""
    begin, seen = 0, set[tuple[str, str]]()
    for index, change in enumerate(changes):
        name = change.type, change.id
        if name in seen:
            yield changes[begin:index]
            begin, seen = index, set()
        seen.add(name)
    yield changes[begin:]


def _spec(catalog: Mapping[str, ResourceSpec], type: str) -> ResourceSpec:
    found = catalog.get(type)
    if found is None:
        raise NotSupported(f"The resource type {type!r:.80} is not served here. Served are: {', '.join(catalog)}.")
    return found


def _lock(work: Work, changes: Sequence[Change]) -> None:
    """On PostgreSQL, makes others wait who change the same; in one order, so that nobody waits in a circle."""
    if work.tx.dialect == "postgresql":
        names = sorted({(change.type, change.id) for change in changes})
        work.tx.all(
            _LOCK, connection=work.connection, types=[name[0] for name in names], ids=[name[1] for name in names]
        )


def _stored(work: Work, changes: Sequence[Change]) -> list[Stored | None]:
    """What is stored of each change's resource, asked for at once: on PostgreSQL of all, on SQLite of a type's."""
    named = {"connection": work.connection}
    if work.tx.dialect == "postgresql":
        asked = {"types": [item.type for item in changes], "ids": [item.id for item in changes]}
        rows = work.tx.all(_ALL_STORED, **named, **asked)
        found = {(row[0], row[1]): Stored(*row[2:]) for row in rows}
        return [found.get((change.type, change.id)) for change in changes]
    if len(changes) == 1:
        row = work.tx.one(_STORED, **named, type=changes[0].type, id=changes[0].id)
        return [Stored(*row) if row is not None else None]
    by_type: dict[str, list[str]] = {}
    for change in changes:
        by_type.setdefault(change.type, []).append(change.id)
    stored = {
        (type_, row[0]): Stored(*row[1:])
        for type_, ids in by_type.items()
        for row in work.tx.each(_STORED_OF, ids, **named, type=type_)
    }
    return [stored.get((change.type, change.id)) for change in changes]


def _planned(work: Work, change: Change, spec: ResourceSpec, stored: Stored | None) -> Plan:
    _check(change, stored)
    old = _old(change, stored)
    version, updated = (stored.version + 1, max(work.now, stored.updated)) if stored is not None else (1, work.now)
    if change.method == "delete":
        return Plan(spec, change, stored, old, None, version, updated, "delete")
    if change.resource is None or change.resource.get("resourceType") != change.type:
        raise ValueError(f"a {change.method} of {change.type}/{change.id} without a resource of that type")
    if stored is not None and old is not None and same_content(change.resource, old):
        return Plan(spec, change, stored, old, old, stored.version, stored.updated, stored.method, unchanged=True)
    new = stamped(change.resource, change.id, version, instant(updated))
    return Plan(spec, change, stored, old, new, version, updated, "create" if old is None else "update")


def _old(change: Change, stored: Stored | None) -> Resource | None:
    if stored is None or stored.body is None:
        return None
    known = change.base
    return known.resource if known is not None and known.body == stored.body else resource_of(stored.body)


def _check(change: Change, stored: Stored | None) -> None:
    name = f"{change.type}/{change.id}"
    live = stored.version if stored is not None and not stored.deleted else 0
    expected = 0 if change.method == "create" and change.expected is None else change.expected
    if expected is not None and expected != live:
        wanted = f"the change was made to version {expected}" if expected else "nothing may be stored there yet"
        state = f"is at version {live}" if live else "is deleted" if stored is not None else "is not stored here"
        raise VersionMismatch(f"{name} {state}; {wanted}. Read it again, then repeat the change on what you see.")
    if change.method == "delete" and not live:
        raise Gone(f"{name} is deleted already.") if stored is not None else NotFound(f"{name} is not stored here.")


def _commit_batch(work: Work, plans: Sequence[Plan]) -> list[Version]:
    tx = work.tx
    writing = [plan for plan in plans if not plan.unchanged]
    new = sum(plan.stored is None for plan in writing)
    rids, vids = map(iter, tx.allocate((tables.resource.c.rid, new), (tables.version.c.vid, len(writing))))
    rows = Rows(indexes.Changes(tx), subscribers.watched(tx, work.connection))
    made: list[Version] = []
    for plan in plans:
        rid = plan.stored.rid if plan.stored is not None else next(rids)
        if plan.unchanged and plan.stored is not None:
            body = plan.stored.body
        else:
            body = codec.dumps(plan.new) if plan.new is not None else None
            rows.add(work, plan, rid, next(vids), body)
        method = plan.method if plan.unchanged else plan.change.method
        made.append(Version(rid, plan.change.type, plan.change.id, plan.version, plan.updated, method, body))
    rows.write(tx)
    return made
