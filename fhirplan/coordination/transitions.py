"""Follows a patient home: which discharges call for contact and a visit, by when, and readmissions (cm-x-17 to 19)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.deadlines import business_days_after, days_after
from fhirplan.coordination.due import due_time
from fhirplan.coordination.elements import (
    acuity,
    beginning,
    child,
    code,
    codes,
    local,
    moment,
    objects,
    patient_of,
    word,
)
from fhirplan.coordination.progress import attempts, contacts, newest_risk, tier
from fhirplan.coordination.vocabulary import (
    COMMUNITY_DISPOSITIONS,
    DISCHARGE_SYSTEMS,
    FACILITY,
    INPATIENT,
    TASK_TYPE,
    TERMINAL,
)
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource

# Transitional care lasts 30 days from the discharge; so does the window in which an admission is a readmission.
WINDOW: Final = timedelta(days=30)
CALL: Final = "post-discharge-call"
VISIT: Final = "post-discharge-visit"


@dataclass(frozen=True, slots=True)
class Discharge:
    """A stay that ended with a return to the community: the Encounter, when, and until when a call and a visit are
    to be made."""

    encounter: Resource
    at: datetime
    call_by: datetime
    visit_by: datetime


def is_stay(encounter: Resource) -> bool:
    """Whether an encounter is a stay in a hospital or facility."""
    return word(encounter.get("class"), "code") in FACILITY and word(encounter) not in ("cancelled", "entered-in-error")


def discharge(
    encounter: Resource, plan: Resource, risk: Resource | None, zone: ZoneInfo, holidays: Set[date] = frozenset()
) -> Discharge | None:
    """What a stay asks of a plan; None when it is not over, was no stay in a facility, or did not end at home."""
    at = moment(child(encounter, "period", "end"), zone)
    dispositions = child(encounter, "hospitalization", "dischargeDisposition")
    to_community = any(codes(dispositions, system) & COMMUNITY_DISPOSITIONS for system in DISCHARGE_SYSTEMS)
    in_facility = word(encounter.get("class"), "code") in FACILITY
    if word(encounter) != "finished" or at is None or not to_community or not in_facility:
        return None
    soon = tier(risk) in ("high", "certain") or acuity(plan) in ("high", "intensive")
    return Discharge(encounter, at, business_days_after(at, 2, zone, holidays), days_after(at, 7 if soon else 14, zone))


def discharges(
    world: World,
    plan: Resource,
    risk: Resource | None,
    now: datetime,
    zone: ZoneInfo,
    holidays: Set[date] = frozenset(),
) -> list[Discharge]:
    """The discharges of the plan's patient that still call for follow-up: within the last 30 days, oldest first."""
    stays = world.of_patient(patient_of(plan), "Encounter")
    found = (discharge(stay, plan, risk, zone, holidays) for stay in stays)
    recent = (item for item in found if item is not None and now - WINDOW <= item.at <= now)
    return sorted(recent, key=lambda item: (item.at, local(item.encounter)))


def follow_up(tasks: list[Resource], kind: str, found: Discharge, zone: ZoneInfo) -> Resource | None:
    """The task of that type made for a discharge: the one due first after it, rejected and cancelled ones aside."""
    suited = [
        (at, local(task), task)
        for task in tasks
        if code(task.get("code"), TASK_TYPE) == kind
        and word(task) not in ("rejected", "cancelled", "entered-in-error")
        and (at := due_time(task, zone)) is not None
        and at >= found.at
    ]
    return min(suited, key=lambda item: item[:2])[2] if suited else None


def call_overdue(
    tasks: list[Resource], communications: list[Resource], found: Discharge, now: datetime, zone: ZoneInfo
) -> bool:
    """Whether nobody was spoken to in time and fewer than two attempts in the window are documented (cm-x-17)."""
    task = follow_up(tasks, CALL, found, zone)
    by = (due_time(task, zone) if task else None) or found.call_by
    if now <= by or any(found.at < item.at <= now for item in contacts(communications, zone)):
        return False
    return sum(found.at < item.at <= found.call_by for item in attempts(communications, zone)) < 2


def visit_overdue(tasks: list[Resource], found: Discharge, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the visit after a discharge was not made in time (cm-x-18)."""
    task = follow_up(tasks, VISIT, found, zone)
    by = (due_time(task, zone) if task else None) or found.visit_by
    return now > by and (task is None or word(task) != "completed")


def readmission(world: World, encounter: Resource, zone: ZoneInfo) -> Resource | None:
    """The stay after which this admission is a readmission within 30 days, None when it is none (cm-x-19).

    A planned admission (a pre-admission identifier, or a reason that says planned) is none.
    """
    start = beginning(child(encounter, "period", "start"), zone)
    begun = word(encounter) in ("arrived", "triaged", "in-progress", "onleave", "finished")
    if start is None or not begun or word(encounter.get("class"), "code") not in INPATIENT or _planned(encounter):
        return None
    earlier = [
        (end, local(stay), stay)
        for stay in world.of_patient(patient_of(encounter), "Encounter")
        if local(stay) != local(encounter)
        and word(stay) == "finished"
        and word(stay.get("class"), "code") in FACILITY
        and (end := moment(child(stay, "period", "end"), zone)) is not None
        and timedelta(0) < start - end <= WINDOW
    ]
    return max(earlier, key=lambda item: item[:2])[2] if earlier else None


def _planned(encounter: Resource) -> bool:
    if child(encounter, "hospitalization", "preAdmissionIdentifier"):
        return True
    said = [
        str(item.get("text") or "")
        + " ".join(str(coding.get("display") or "") for coding in objects(item.get("coding")))
        for item in [*objects(encounter.get("reasonCode")), *objects(encounter.get("type"))]
    ]
    return any("planned" in text.lower() and "unplanned" not in text.lower() for text in said)


def risk_of(world: World, plan: Resource, zone: ZoneInfo) -> Resource | None:
    """The newest final risk assessment that a plan rests on."""
    from_plan = (world.get(str(item.get("reference"))) for item in objects(plan.get("supportingInfo")))
    return newest_risk((item for item in from_plan if item and item["resourceType"] == "RiskAssessment"), zone)


def open_follow_up(tasks: list[Resource]) -> list[Resource]:
    """The calls and visits after a discharge that are still to be made."""
    return [
        task
        for task in tasks
        if code(task.get("code"), TASK_TYPE) in (CALL, VISIT) and word(task) not in TERMINAL | {"on-hold"}
    ]
