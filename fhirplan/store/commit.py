"""Commits changes: a version, its index rows, its outbox row and its audit row, together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import bindparam, select, text, update

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.errors import Gone, NotFound, NotSupported, VersionMismatch
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.fhir.reference import parse
from fhirplan.fhir.resource import same_content, stamped
from fhirplan.search.paths import Extract, compile_path
from fhirplan.search.values import Row
from fhirplan.store import audit, indexes, projection, subscribers, tables
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.versions import Method, Version, resource_of


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one resource; ``id`` is always known, a new one is chosen by the caller.

    ``expected`` is the version that must be the current one, 0 where there must be no live resource, None for any.
    ``rows`` are the index rows of the resource where ``with_rows`` has found them already, ``base`` is what the change
    was prepared on, None where that is not known.
    """

    method: Method
    type: str
    id: str
    resource: Resource | None = None
    expected: int | None = None
    rows: frozenset[Row] | None = None
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """A stored version that was read ahead of a change: its JSON as stored, the resource in it and its index rows."""

    body: bytes
    resource: Resource
    rows: Set[Row]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who makes a change: ``push`` says whether the EHR must be told (it is false for what came from there).

    ``address`` is the caller's network address, ``client`` and ``grant`` what their token was issued to and for; ""
    where there is none. ``marks`` says whether the coordination state of the patient is to be computed again; it is
    false for what was written from that state. ``hold`` is for how long, in ms, the change waits before it is sent.
    """

    actor: str
    request_id: str
    source: Literal["api", "ehr"]
    push: bool
    address: str = ""
    marks: bool = True
    client: str = ""
    grant: str = ""
    hold: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    rid: int
    version: int
    updated: int
    deleted: bool
    method: Method
    body: bytes | None


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
_NEW_RESOURCE: Final = insertion(tables.resource)
_MOVED: Final = statement(
    update(tables.resource)
    .where(tables.resource.c.rid == bindparam("number"))
    .values({name: bindparam(f"new_{name}") for name in ("vid", "version", "updated", "deleted")})
)
_NEW_VERSION: Final = insertion(tables.version)
_NEW_OUTBOX: Final = insertion(tables.outbox, without=("oid", "lease_until", "claimed_by", "outcome"))
# What the coordination state of a patient is computed from.
_OF_STATE: Final = (
    *("Patient", "CarePlan", "CareTeam", "Goal", "Task", "ServiceRequest", "Condition", "Communication", "Encounter"),
    *("Consent", "Flag", "RiskAssessment", "Appointment", "List"),
)
STATE_TYPES: Final = frozenset(_OF_STATE)
_AUDITED: Final[Mapping[Method, audit.Action]] = {"create": "C", "update": "U", "delete": "D"}


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
    work = _Work(tx, connection, now, origin, base)
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


@dataclass(frozen=True, slots=True)
class _Work:
    tx: Transaction
    connection: str
    now: int
    origin: Origin
    base: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a change does: ``old`` is the resource before it, ``new`` after it as stored; nothing when ``unchanged``."""

    spec: ResourceSpec
    change: Change
    stored: _Stored | None
    old: Resource | None
    new: Resource | None
    version: int
    updated: int
    method: Method
    unchanged: bool = False


def _lock(work: _Work, changes: Sequence[Change]) -> None:
    """On PostgreSQL, makes others wait who change the same; in one order, so that nobody waits in a circle."""
    if work.tx.dialect == "postgresql":
        names = sorted({(change.type, change.id) for change in changes})
        work.tx.all(
            _LOCK, connection=work.connection, types=[name[0] for name in names], ids=[name[1] for name in names]
        )


def _stored(work: _Work, changes: Sequence[Change]) -> list[_Stored | None]:
    """What is stored of each change's resource; on PostgreSQL asked for all at once."""
    named = {"connection": work.connection}
    if work.tx.dialect == "postgresql":
        asked = {"types": [item.type for item in changes], "ids": [item.id for item in changes]}
        rows = work.tx.all(_ALL_STORED, **named, **asked)
        found = {(row[0], row[1]): _Stored(*row[2:]) for row in rows}
        return [found.get((change.type, change.id)) for change in changes]
    one = (work.tx.one(_STORED, **named, type=change.type, id=change.id) for change in changes)
    return [_Stored(*row) if row is not None else None for row in one]


def _planned(work: _Work, change: Change, spec: ResourceSpec, stored: _Stored | None) -> _Plan:
    _check(change, stored)
    old = _old(change, stored)
    version, updated = (stored.version + 1, max(work.now, stored.updated)) if stored is not None else (1, work.now)
    if change.method == "delete":
        return _Plan(spec, change, stored, old, None, version, updated, "delete")
    if change.resource is None or change.resource.get("resourceType") != change.type:
        raise ValueError(f"a {change.method} of {change.type}/{change.id} without a resource of that type")
    if stored is not None and old is not None and same_content(change.resource, old):
        return _Plan(spec, change, stored, old, old, stored.version, stored.updated, stored.method, unchanged=True)
    new = stamped(change.resource, change.id, version, instant(updated))
    return _Plan(spec, change, stored, old, new, version, updated, "create" if old is None else "update")


def _old(change: Change, stored: _Stored | None) -> Resource | None:
    if stored is None or stored.body is None:
        return None
    known = change.base
    return known.resource if known is not None and known.body == stored.body else resource_of(stored.body)


def _check(change: Change, stored: _Stored | None) -> None:
    name = f"{change.type}/{change.id}"
    live = stored.version if stored is not None and not stored.deleted else 0
    expected = 0 if change.method == "create" and change.expected is None else change.expected
    if expected is not None and expected != live:
        wanted = f"the change was made to version {expected}" if expected else "nothing may be stored there yet"
        state = f"is at version {live}" if live else "is deleted" if stored is not None else "is not stored here"
        raise VersionMismatch(f"{name} {state}; {wanted}. Read it again, then repeat the change on what you see.")
    if change.method == "delete" and not live:
        raise Gone(f"{name} is deleted already.") if stored is not None else NotFound(f"{name} is not stored here.")


def _commit_batch(work: _Work, plans: Sequence[_Plan]) -> list[Version]:
    tx = work.tx
    writing = [plan for plan in plans if not plan.unchanged]
    rids = iter(tx.allocate(tables.resource.c.rid, sum(plan.stored is None for plan in writing)))
    vids = iter(tx.allocate(tables.version.c.vid, len(writing)))
    rows = _Rows(indexes.Changes(tx), subscribers.watched(tx, work.connection))
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


class _Rows:
    """The rows of some plans, written per table in one go; ``watched`` are the types of which somebody is told."""

    def __init__(self, index: indexes.Changes, watched: Set[str]) -> None:
        self._index = index
        self._watched = watched
        self._new: list[dict[str, Any]] = []
        self._moved: list[dict[str, Any]] = []
        self._versions: list[dict[str, Any]] = []
        self._outbox: list[dict[str, Any]] = []
        self._audit: list[dict[str, object]] = []
        self._marked: dict[tuple[str, str], int] = {}
        self._noted: list[dict[str, object]] = []

    def add(self, work: _Work, plan: _Plan, rid: int, vid: int, body: bytes | None) -> None:
        origin, change = work.origin, plan.change
        name = {"connection": work.connection, "type": change.type, "id": change.id}
        state = {"vid": vid, "version": plan.version, "updated": plan.updated, "deleted": int(body is None)}
        if plan.stored is None:
            self._new.append({"rid": rid, **name, **state})
        else:
            self._moved.append({"number": rid, **{f"new_{key}": value for key, value in state.items()}})
        self._versions.append(
            {
                "vid": vid,
                "rid": rid,
                "version": plan.version,
                "updated": plan.updated,
                # A PUT that makes a resource is an update in its history (R4 section 3.1.0.12).
                "method": change.method,
                "actor": origin.actor,
                "request_id": origin.request_id,
                "body": body,
            }
        )
        rows = indexes.rows_of(plan.spec, work.base)
        old: Set[Row] = frozenset()
        if plan.old is not None:
            known = change.base
            old = known.rows if known is not None and known.resource is plan.old else rows(plan.old)
        new: Set[Row] = frozenset()
        if plan.new is not None:
            new = rows(plan.new) if change.rows is None else change.rows
        self._index.move(work.connection, plan.spec, rid, old, new)
        if change.type in self._watched:
            self._noted.append({**name, "version": plan.version, "at": plan.updated})
        resource = plan.new if plan.new is not None else plan.old
        lane_ = lane(plan.spec, change.id, resource, work.base) if resource is not None else ""
        patient = lane_.removeprefix("Patient/")
        if origin.push and plan.spec.sync == "both":
            self._outbox.append(_outbox(work, plan, rid, lane_))
        # An EHR may keep our List in a form of its own; to write it anew for that would go on for ever.
        told = change.type in STATE_TYPES and (change.type != "List" or origin.source == "api")
        if origin.marks and told:
            self._marked.update({(work.connection, one): work.now for one in _patients(plan, patient, work.base)})
        self._audit.append(
            audit.entry(
                work.now,
                work.connection,
                origin.actor,
                _AUDITED[plan.method],
                change.type,
                change.id,
                plan.version,
                origin.request_id,
                patient=patient,
                address=origin.address,
                kind=plan.method,
                client=origin.client,
                grant=origin.grant,
            )
        )

    def write(self, tx: Transaction) -> None:
        with tx.together():
            tx.many(_NEW_VERSION, self._versions)
            tx.many(_NEW_RESOURCE, self._new)
            tx.many(_MOVED, self._moved)
            self._index.write()
            tx.many(_NEW_OUTBOX, self._outbox)
            tx.many(audit.INSERT, self._audit)
            tx.many(
                projection.MARK,
                [{"connection": name, "patient": one, "at": at} for (name, one), at in self._marked.items()],
            )
            tx.many(subscribers.NOTE, self._noted)


def _patients(plan: _Plan, patient: str, base: str) -> Iterator[str]:
    """The patients whose state a change may change: the one it concerns, and the one it concerned before."""
    if patient:
        yield patient
    if plan.old is not None and plan.new is not None:
        before = lane(plan.spec, plan.change.id, plan.old, base).removeprefix("Patient/")
        if before and before != patient:
            yield before


def _outbox(work: _Work, plan: _Plan, rid: int, lane_: str) -> dict[str, Any]:
    return {
        "connection": work.connection,
        "type": plan.change.type,
        "id": plan.change.id,
        "rid": rid,
        "version": plan.version,
        "method": plan.method,
        "lane": lane_,
        "created": work.now,
        "due": work.now + work.origin.hold,
        "attempts": 0,
        "state": "waiting",
    }


def lane(spec: ResourceSpec, id: str, resource: Resource, base: str = "") -> str:
    """The patient a resource concerns as ``Patient/x``, "" where it concerns none of ours."""
    if spec.type == "Patient":
        return f"Patient/{id}"
    for values in _patient_paths(spec):
        for _, value in values(resource):
            found = parse(value.get("reference")) if isinstance(value, dict) else None
            if found is not None and found.type == "Patient" and found.server in ("", base):
                return found.local
    return ""


@cache
def _patient_paths(spec: ResourceSpec) -> tuple[Extract, ...]:
    return tuple(compile_path(item).values for item in spec.patient)
