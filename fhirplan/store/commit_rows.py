"""Writes the rows that changes lead to: versions, index rows, outbox and audit rows, marks of what to compute again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import bindparam, update

from fhirplan.catalog import ResourceSpec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import parse
from fhirplan.search.paths import Extract, compile_path
from fhirplan.search.values import Row
from fhirplan.store import audit, indexes, subscribers, tables
from fhirplan.store.changes import Change, Origin
from fhirplan.store.coordination import projection
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.versions import Method


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a resource: its number and its current version."""

    rid: int
    version: int
    updated: int
    deleted: bool
    method: Method
    body: bytes | None


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


@dataclass(frozen=True, slots=True)
class Work:
    """One commit: its transaction, connection and time (ms), who makes it, and the url of our FHIR endpoint."""

    tx: Transaction
    connection: str
    now: int
    origin: Origin
    base: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does: ``old`` is the resource before it, ``new`` after it as stored; nothing when ``unchanged``."""

    spec: ResourceSpec
    change: Change
    stored: Stored | None
    old: Resource | None
    new: Resource | None
    version: int
    updated: int
    method: Method
    unchanged: bool = False


class Rows:
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

    def add(self, work: Work, plan: Plan, rid: int, vid: int, body: bytes | None) -> None:
        """Takes the rows of one change."""
        origin, change = work.origin, plan.change
        name = {"connection": work.connection, "type": change.type, "id": change.id}
        self._add_version(work, plan, rid, vid, body)
        self._add_index(work, plan, rid)
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

    def _add_version(self, work: Work, plan: Plan, rid: int, vid: int, body: bytes | None) -> None:
        change = plan.change
        state = {"vid": vid, "version": plan.version, "updated": plan.updated, "deleted": int(body is None)}
        if plan.stored is None:
            name = {"connection": work.connection, "type": change.type, "id": change.id}
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
                "actor": work.origin.actor,
                "request_id": work.origin.request_id,
                "body": body,
            }
        )

    def _add_index(self, work: Work, plan: Plan, rid: int) -> None:
        change, rows = plan.change, indexes.rows_of(plan.spec, work.base)
        old: Set[Row] = frozenset()
        if plan.old is not None:
            known = change.base
            old = known.rows if known is not None and known.resource is plan.old else rows(plan.old)
        new: Set[Row] = frozenset()
        if plan.new is not None:
            new = rows(plan.new) if change.rows is None else change.rows
        self._index.move(work.connection, plan.spec, rid, old, new)

    def write(self, tx: Transaction) -> None:
        """Writes what was taken."""
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


def _patients(plan: Plan, patient: str, base: str) -> Iterator[str]:
    """The patients whose state a change may change: the one it concerns, and the one it concerned before."""
    if patient:
        yield patient
    if plan.old is not None and plan.new is not None:
        before = lane(plan.spec, plan.change.id, plan.old, base).removeprefix("Patient/")
        if before and before != patient:
            yield before


def _outbox(work: Work, plan: Plan, rid: int, lane_: str) -> dict[str, Any]:
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
