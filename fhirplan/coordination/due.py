"""Says of each task whether it is open, overdue, due soon, blocked or unassigned (guide sections 3.6 and 4.4)."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource

TERMINAL: Final = frozenset({"completed", "rejected", "cancelled", "failed", "entered-in-error"})
WAITING: Final = frozenset(
    {
        "awaiting-owner",
        "awaiting-authorization",
        "awaiting-information",
        "awaiting-patient",
        "awaiting-provider",
        "awaiting-transport",
        "waitlisted",
    }
)
SOON: Final = timedelta(hours=48)
GRAVE: Final = frozenset({"urgent", "asap", "stat"})
NOT_WORK: Final = frozenset({"manage-transition", "acknowledge-change"})
BLOCKED_BY: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by"
TASK_TYPE: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-task-type"
BUSINESS_STATUS: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-business-status"
_FINISHED: Final = {
    "ServiceRequest": ("status", {"completed", "revoked"}),
    "CommunicationRequest": ("status", {"completed"}),
    "Appointment": ("status", {"fulfilled", "cancelled", "noshow"}),
    "Task": ("status", TERMINAL),
}


@dataclass(frozen=True, slots=True)
class TaskState:
    """The derived state of one task at one moment; ``blocked_by`` names the references that hold it."""

    due: datetime | None
    open: bool
    planned: bool
    overdue: bool
    due_soon: bool
    blocked: bool
    unassigned: bool
    blocked_by: tuple[str, ...] = ()


def task_state(task: Resource, known: Mapping[str, Resource], now: datetime, zone: ZoneInfo) -> TaskState:
    """The state of a task. ``known`` maps references such as ``Task/1`` to what is stored under them."""
    status = task.get("status")
    is_open = status not in TERMINAL and status != "draft"
    due = due_time(task, zone)
    holding = tuple(ref for ref in _blockers(task) if not _finished(known.get(ref)))
    blocked = is_open and (
        status == "on-hold"
        or code(task.get("businessStatus"), BUSINESS_STATUS) in WAITING
        or bool(holding)
        or any(item.get("status") == "on-hold" for item in _above(task, known))
    )
    overdue = is_open and due is not None and due < now
    return TaskState(
        due=due,
        open=is_open,
        planned=status == "draft",
        overdue=overdue,
        due_soon=is_open and not overdue and due is not None and due <= now + SOON,
        blocked=blocked,
        unassigned=is_open and not task.get("owner"),
        blocked_by=holding if blocked else (),
    )


def is_work(task: Resource) -> bool:
    """Whether a task counts as work: containers of a transition and change notices do not."""
    return code(task.get("code"), TASK_TYPE) not in NOT_WORK


def tasks_of(plan_id: str, resources: Iterable[Resource]) -> list[Resource]:
    """The tasks of a plan: based on it, on one of its service requests, or part of such a task."""
    resources = list(resources)
    wanted = {f"CarePlan/{plan_id}"}
    wanted |= {
        f"ServiceRequest/{item['id']}"
        for item in resources
        if item["resourceType"] == "ServiceRequest" and wanted & _references(item.get("basedOn"))
    }
    tasks = [item for item in resources if item["resourceType"] == "Task" and item.get("status") != "entered-in-error"]
    found: dict[str, Resource] = {}
    grown = True
    while grown:
        parents = wanted | {f"Task/{id_}" for id_ in found}
        added = {
            item["id"]: item
            for item in tasks
            if item["id"] not in found
            and parents & (_references(item.get("basedOn")) | _references(item.get("partOf")))
        }
        found.update(added)
        grown = bool(added)
    return list(found.values())


def due_time(task: Resource, zone: ZoneInfo) -> datetime | None:
    """When a task is due: restriction.period.end; a date without time means the end of that day in ``zone``."""
    restriction = task.get("restriction")
    period = restriction.get("period") if isinstance(restriction, dict) else None
    return moment(period.get("end"), zone) if isinstance(period, dict) else None


def moment(text: Any, zone: ZoneInfo) -> datetime | None:
    """The last moment that a FHIR date or dateTime means, in ``zone``; None when it is no date."""
    if not isinstance(text, str):
        return None
    try:
        if "T" in text:
            read = datetime.fromisoformat(text)
            return read.astimezone(zone) if read.tzinfo else read.replace(tzinfo=zone)
        year, month, day = ([int(part) for part in text.split("-")] + [0, 0])[:3]
        month = month or 12
        day = day or calendar.monthrange(year, month)[1]
        return datetime.combine(datetime(year, month, day), clock_time(23, 59, 59), zone)
    except ValueError:
        return None


def code(concept: Any, system: str) -> str:
    """The code of that system in a CodeableConcept, or ""."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for item in codings if isinstance(codings, list) else ():
        if isinstance(item, dict) and item.get("system") == system:
            return str(item.get("code") or "")
    return ""


def _references(value: Any) -> set[str]:
    found = set()
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and (target := reference.parse(item.get("reference"))):
            found.add(target.local)
    return found


def _blockers(task: Resource) -> list[str]:
    found = []
    for item in task.get("extension") or ():
        if isinstance(item, dict) and item.get("url") == BLOCKED_BY:
            found.extend(sorted(_references(item.get("valueReference"))))
    return found


def _above(task: Resource, known: Mapping[str, Resource]) -> list[Resource]:
    """The plans and parent tasks that a task hangs from, directly or through a service request."""
    refs = _references(task.get("partOf")) | _references(task.get("basedOn"))
    for ref in [item for item in refs if item.startswith("ServiceRequest/")]:
        refs |= _references(known.get(ref, {}).get("basedOn"))
    return [known[ref] for ref in refs if ref in known and not ref.startswith("ServiceRequest/")]


def _finished(target: Resource | None) -> bool:
    """Whether what blocks a task is over; something unknown to us is taken to hold it still."""
    if target is None:
        return False
    kind = target["resourceType"]
    if kind == "Condition":
        codings = (target.get("clinicalStatus") or {}).get("coding") or [{}]
        return any(item.get("code") in {"inactive", "remission", "resolved"} for item in codings)
    element, values = _FINISHED.get(kind, ("status", TERMINAL))
    return target.get(element) in values
