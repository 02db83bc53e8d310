"""Heeds an EHR's notices: keeps what they name, tells lost ones by their numbers, and fetches what changed.

A notice is a hint and no more. It is kept until what it names was fetched, however often the EHR does not answer; one
that never came is made up for by the next whole pull.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fhirplan.catalog import CATALOG
from fhirplan.ehr.notification import Notification
from fhirplan.errors import EhrRejected
from fhirplan.fhir.codec import Resource
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import links, notices
from fhirplan.sync.content import patient_of
from fhirplan.sync.course import Course
from fhirplan.sync.deletions import ask
from fhirplan.sync.intake import take
from fhirplan.sync.patients import chosen
from fhirplan.sync.pull import pull
from fhirplan.sync.report import Tally
from fhirplan.sync.searches import by_patient
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

_EVERYTHING: Final = ("", "")
_log = log("sync.notices")


def receive(tx: Transaction, connection: str, said: Notification, now: int) -> None:
    """Keeps what a notification asks to be fetched; nothing for a handshake or a heartbeat with nothing missed."""
    missed = _missed(tx, connection, said, now)
    if said.kind in ("handshake", "heartbeat"):
        wanted = [_EVERYTHING] if missed or said.failing else []
    else:
        wanted = [item for item in said.named if _is_synced(item[0])]
        if missed or said.failing or not said.complete:
            wanted.append(_EVERYTHING)
    notices.put(tx, connection, wanted, now)
    if missed or said.failing:
        _log.warning("notices were lost", connection=connection, failing=said.failing)


def _is_synced(type_: str) -> bool:
    spec = CATALOG.get(type_)
    return spec is not None and spec.sync != "none"


def _missed(tx: Transaction, connection: str, said: Notification, now: int) -> bool:
    """Whether events happened of which no notice came, by the numbers that events are given."""
    if not said.subscription:
        return False
    last = notices.last_event(tx, connection, said.subscription)
    numbers = sorted(said.events)
    newest = numbers[-1] if numbers else said.count
    if newest is None:
        return False
    if not notices.heard(tx, connection, said.subscription, max(newest, last or 0), now):
        return True
    if said.kind == "handshake" and last is None:
        return False
    known = last or 0
    gaps = any(after > before + 1 for before, after in zip([known, *numbers], numbers, strict=False))
    return gaps or (not numbers and newest > known)


def fetch(sides: Sides, tally: Tally) -> None:
    """Fetches what notices named. Raises EhrUnavailable when the EHR does not answer: the rest waits for the next time.

    A resource of a patient whose records are not pulled is not taken. What the EHR refuses to show is told, and left to
    the next whole pull.
    """
    sides.client.matters("pull")
    with sides.database.read() as tx:
        waiting = notices.waiting(tx, sides.connection)
    whole = 0
    for type_, ehr_id, at in waiting:
        if not ehr_id:
            whole = at
            continue
        try:
            _fetch_one(sides, tally, type_, ehr_id)
        except EhrRejected as error:
            tally.trouble(f"{type_}/{ehr_id}, of which the EHR gave notice, was not given. {error.text}")
        _done(sides, type_, ehr_id, at)
    if whole:
        pull(sides, tally)
        _done(sides, "", "", whole)


def _done(sides: Sides, type_: str, ehr_id: str, at: int) -> None:
    with sides.database.write() as tx:
        notices.done(tx, sides.connection, type_, ehr_id, at)


def _fetch_one(sides: Sides, tally: Tally, type_: str, ehr_id: str) -> None:
    capability = sides.client.capabilities().of(type_)
    if not capability.can("read"):
        capability = replace(capability, interactions=capability.interactions | {"read"})
    course = Course(
        sides, capability, tally, dry=False, since="", newest="", began=sides.clock(), vendor=sides.vendor()
    )
    found = sides.client.read(type_, ehr_id)
    if found is None:
        ask(course, ehr_id)
    elif _is_ours(course, found.resource):
        take(course, [found.resource])


def _is_ours(course: Course, resource: Resource) -> bool:
    """Whether a pull would have asked for it: where that is done by patient, one whose records are ours."""
    sides, type_ = course.sides, course.type
    if not (sides.patients or by_patient(course)):
        return True
    patient = str(resource["id"]) if type_ == "Patient" else patient_of(resource)
    with sides.database.read() as tx:
        if links.stored(tx, sides.connection, type_, str(resource["id"])) is not None:
            return True
        if patient and links.stored(tx, sides.connection, "Patient", patient) is not None:
            return True
    return bool(patient and sides.patients) and patient in chosen(sides, course.tally)
