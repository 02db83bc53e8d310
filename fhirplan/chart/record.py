"""Loads what the pages show of a patient from the store, and the patients there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.catalog import CATALOG
from fhirplan.chart import people
from fhirplan.chart.care_plan_page import World, in_order
from fhirplan.chart.words import Words
from fhirplan.coordination import due
from fhirplan.errors import Issue
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource
from fhirplan.settings import Connection
from fhirplan.store import findings, patient_record, versions
from fhirplan.store.engine import Transaction

MOST_OF_A_TYPE: Final = 1000
SHOWN_STANDING: Final = ("CarePlan", "Goal", "Task", "CareTeam", "Condition", "Communication")
_OF_PATIENT: Final = tuple(
    name for name, spec in CATALOG.items() if any(item.code == "patient" for item in spec.search)
)


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


def patient(tx: Transaction, connection: str, id_: str) -> Resource | None:
    """The patient, or None when none is stored under that id."""
    found = versions.current(tx, connection, "Patient", id_)
    return found.resource() if found and not found.deleted else None


def world(
    tx: Transaction, connection: Connection, patient_id: str, now: datetime, zone: ZoneInfo, words: Words
) -> World:
    """All that is known of a patient, the people and organizations it refers to, and each item's standing."""
    known: dict[str, Resource] = {}
    found: dict[str, tuple[Issue, ...]] = {}
    for version in patient_record.of_patient(tx, connection.name, patient_id, _OF_PATIENT, count=MOST_OF_A_TYPE):
        known[f"{version.type}/{version.id}"] = version.resource()
        if version.type in SHOWN_STANDING:
            found[f"{version.type}/{version.id}"] = findings.of(tx, version.rid, version.version)
    waiting = set(known)
    for _ in range(2):  # a role leads to its person and organization, and no further
        waiting = _referred(known[ref] for ref in waiting) - set(known)
        loaded = {ref: made for ref in sorted(waiting) if (made := _load(tx, connection.name, ref))}
        known |= loaded
        waiting = set(loaded)
    standing = {
        ref: patient_record.standing(tx, connection.name, *ref.split("/"))
        for ref in known
        if connection.ehr_url and ref.partition("/")[0] in SHOWN_STANDING
    }
    return World(known, standing, now, zone, words, connection.ehr_label, found)


def patients(
    tx: Transaction, connection: str, now: datetime, zone: ZoneInfo, *, after: int, count: int
) -> list[PatientRow]:
    """A page of the list of patients, with their plan and the work that is open."""
    return [
        _patient_row(tx, connection, version.rid, version.resource(), now, zone)
        for version in patient_record.patients(tx, connection, after=after, count=count)
    ]


def _patient_row(
    tx: Transaction, connection: str, rid: int, patient_: Resource, now: datetime, zone: ZoneInfo
) -> PatientRow:
    found = patient_record.of_patient(tx, connection, patient_["id"], ("CarePlan", "Task"), count=MOST_OF_A_TYPE)
    known = {f"{version.type}/{version.id}": version.resource() for version in found}
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


def _referred(resources: Iterable[Resource]) -> set[str]:
    found = set()
    for resource in resources:
        for _, element in reference.walk(resource):
            target = reference.parse(element["reference"])
            if target and not target.server:
                found.add(target.local)
    return found


def _load(tx: Transaction, connection: str, ref: str) -> Resource | None:
    type_, id_ = ref.split("/")
    found = versions.current(tx, connection, type_, id_)
    return found.resource() if found and not found.deleted else None


def at(milliseconds: int) -> datetime:
    """The moment of a clock that counts milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
