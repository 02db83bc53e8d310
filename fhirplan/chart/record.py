"""Loads what the pages show of a patient from the store, as it is now or as it was at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.catalog import CATALOG
from fhirplan.chart import people
from fhirplan.chart.words import Words
from fhirplan.chart.world import World, in_order
from fhirplan.coordination import due
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource
from fhirplan.settings import Connection
from fhirplan.store import versions
from fhirplan.store.coordination import patient_record
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import resource_of

MOST_OF_A_TYPE: Final = 1000
SHOWN_STANDING: Final = (
    "CarePlan",
    "Goal",
    "Task",
    "CareTeam",
    "Condition",
    "Communication",
    "Observation",
    "ServiceRequest",
)
# What no page shows need not be read: it would only be looked through for references.
_UNSHOWN: Final = frozenset({"Provenance", "AuditEvent", "List", "DocumentReference"})
_OF_PATIENT: Final = tuple(
    name
    for name, spec in CATALOG.items()
    if name not in _UNSHOWN and any(item.code == "patient" for item in spec.search)
)
# Where the resources of these types name people, organizations and what else is not the patient's own.
_NAMING: Final = (
    "Patient",
    "CarePlan",
    "CareTeam",
    "Task",
    "Goal",
    "Communication",
    "ServiceRequest",
    "Encounter",
    "Appointment",
    "PractitionerRole",
    "Coverage",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page asks of the record: whose, when, in which zone and words; ``moment`` (ms) is None for now."""

    connection: Connection
    patient: str
    now: datetime
    zone: ZoneInfo
    words: Words
    clinic: str
    moment: int | None = None


@dataclass(frozen=True, slots=True)
class PatientRow:
    """One line of the list of patients; ``rid`` is where the next page begins."""

    id: str
    name: str
    age: int | None
    plan: str
    open: int
    overdue: int
    rid: int


def patient(tx: Transaction, asked: Asked) -> Resource | None:
    """The patient, or None when none is (or was, at the moment asked for) stored under that id."""
    if asked.moment is None:
        found = versions.current(tx, asked.connection.name, "Patient", asked.patient)
    else:
        found = patient_record.then(tx, asked.connection.name, "Patient", asked.patient, asked.moment)
    return found.resource() if found and not found.deleted else None


def world(tx: Transaction, asked: Asked, whose: Resource) -> World:
    """All that is known of a patient, the people and organizations it refers to, and each item's standing."""
    name = asked.connection.name
    if asked.moment is None:
        stored = patient_record.of_patient(tx, name, asked.patient, _OF_PATIENT, count=MOST_OF_A_TYPE)
    else:
        stored = patient_record.at(tx, name, asked.patient, _OF_PATIENT, asked.moment)
    read = {f"{item.type}/{item.id}": _read(item.body) for item in stored if item.body is not None}
    read[f"Patient/{asked.patient}"] = _Read(whose, _referred(whose))
    _add_referred(tx, asked, read)
    known = {ref: item.resource for ref, item in read.items()}
    current = asked.moment is None
    return World(
        known,
        _standing(tx, asked, known) if current and asked.connection.ehr_url else {},
        asked.now,
        asked.zone,
        asked.words,
        asked.connection.ehr_label,
        patient_record.findings(tx, name, asked.patient) if current else {},
        clinic=asked.clinic,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """A stored resource and the resources of other types than a patient's own that it names."""

    resource: Resource
    refs: frozenset[str]


@lru_cache(maxsize=2048)
def _read(body: bytes) -> _Read:
    """A stored resource, read once for the pages that follow each other about a patient; nobody changes it."""
    resource = resource_of(body)
    return _Read(resource, _referred(resource) if resource["resourceType"] in _NAMING else frozenset())


def _standing(tx: Transaction, asked: Asked, known: dict[str, Resource]) -> dict[str, str]:
    found = patient_record.standing(tx, asked.connection.name, asked.patient)
    return {ref: found.get(ref, "here") for ref in known if ref.partition("/")[0] in SHOWN_STANDING}


def _add_referred(tx: Transaction, asked: Asked, known: dict[str, _Read]) -> None:
    waiting: Iterable[_Read] = list(known.values())
    for _ in range(2):  # a role leads to its person and organization, and no further
        refs = sorted(frozenset().union(*(item.refs for item in waiting)) - known.keys())
        loaded = {ref: made for ref in refs if (made := _load(tx, asked, ref))}
        known |= loaded
        waiting = loaded.values()


def _referred(resource: Resource) -> frozenset[str]:
    """What a resource refers to, of the types that pages name."""
    texts: set[str] = set()
    _gather(resource, texts)
    parsed = (reference.parse(text) for text in texts)
    return frozenset(item.local for item in parsed if item and not item.server and item.type not in _UNSHOWN)


def _gather(value: Any, texts: set[str]) -> None:
    for name, inside in value.items():
        if isinstance(inside, dict):
            _gather(inside, texts)
        elif isinstance(inside, list):
            for item in inside:
                if isinstance(item, dict):
                    _gather(item, texts)
        elif name == "reference" and isinstance(inside, str):
            texts.add(inside)


def _load(tx: Transaction, asked: Asked, ref: str) -> _Read | None:
    type_, id_ = ref.split("/")
    if asked.moment is None:
        found = versions.current(tx, asked.connection.name, type_, id_)
    else:
        found = patient_record.then(tx, asked.connection.name, type_, id_, asked.moment)
    return _read(found.body) if found and found.body is not None else None


def patients(
    tx: Transaction,
    connection: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    after: int,
    count: int,
    shown: Callable[[Resource], bool] | None = None,
) -> list[PatientRow]:
    """A page of the list of patients, with their plan and the work that is open.

    Only what ``shown`` allows is listed and counted, everything without it; a page is full while there are patients.
    """
    made: list[PatientRow] = []
    while len(made) < count and (found := patient_record.patients(tx, connection, after=after, count=count)):
        after = found[-1].rid
        listed = [(item.rid, item.resource()) for item in found]
        seen = [(rid, one) for rid, one in listed if shown is None or shown(one)]
        made += [_patient_row(tx, connection, rid, one, now, zone, shown) for rid, one in seen]
        if len(found) < count:
            break
    return made[:count]


def _patient_row(
    tx: Transaction,
    connection: str,
    rid: int,
    patient_: Resource,
    now: datetime,
    zone: ZoneInfo,
    shown: Callable[[Resource], bool] | None,
) -> PatientRow:
    found = patient_record.of_patient(tx, connection, patient_["id"], ("CarePlan", "Task"), count=MOST_OF_A_TYPE)
    read = ((f"{version.type}/{version.id}", version.resource()) for version in found)
    known = {ref: item for ref, item in read if shown is None or shown(item)}
    plans = in_order(item for item in known.values() if item["resourceType"] == "CarePlan")
    states = [
        due.task_state(item, known, now, zone)
        for item in known.values()
        if item["resourceType"] == "Task" and due.is_work(item)
    ]
    born = str(patient_.get("birthDate") or "")
    return PatientRow(
        id=patient_["id"],
        name=people.human_name(patient_.get("name")) or patient_["id"],
        age=people.age(born, now.astimezone(zone).date()),
        plan=str(plans[0].get("title") or plans[0]["id"]) if plans else "",
        open=sum(state.open for state in states),
        overdue=sum(state.overdue for state in states),
        rid=rid,
    )


def at(milliseconds: int) -> datetime:
    """The moment of a clock that counts milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
