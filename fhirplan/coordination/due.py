"""Says of each task whether it is open, overdue, due soon, blocked or unassigned (guide sections 3.6 and 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fhirplan.coordination.elements import (
    child,
    code,
    extension_targets,
    is_open,
    local,
    moment,
    objects,
    targets,
    word,
)
from fhirplan.coordination.vocabulary import (
    BLOCKED_BY,
    BUSINESS_STATUS,
    FINISHED,
    GRAVE,
    NOT_WORK,
    SOON,
    TASK_TYPE,
    TERMINAL,
    WAITING,
)
from fhirplan.fhir.codec import Resource

__all__ = [
    "BLOCKED_BY",
    "BUSINESS_STATUS",
    "GRAVE",
    "NOT_WORK",
    "SOON",
    "TASK_TYPE",
    "TERMINAL",
    "WAITING",
    "TaskState",
    "code",
    "due_time",
    "is_work",
    "moment",
    "task_state",
    "tasks_of",
]


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


def task_state(
    task: Resource, known: Mapping[str, Resource], now: datetime, zone: ZoneInfo, plan: Resource | None = None
) -> TaskState:
    """The state of a task. ``known`` maps references such as ``Task/1`` to what is stored under them.

    With ``plan`` the task is seen as part of that plan and of no other; without, each plan it hangs from counts.
    """
    opened = is_open(task)
    due = due_time(task, zone)
    holding = tuple(ref for ref in _blockers(task) if not _finished(known.get(ref)))
    blocked = opened and (
        task.get("status") == "on-hold"
        or code(task.get("businessStatus"), BUSINESS_STATUS) in WAITING
        or bool(holding)
        or any(item.get("status") == "on-hold" for item in _above(task, known, plan))
    )
    overdue = opened and due is not None and due < now
    return TaskState(
        due=due,
        open=opened,
        planned=task.get("status") == "draft",
        overdue=overdue,
        due_soon=opened and not overdue and due is not None and due <= now + SOON,
        blocked=blocked,
        unassigned=opened and not task.get("owner"),
        blocked_by=holding if blocked else (),
    )


def is_work(task: Resource) -> bool:
    """Whether a task counts as work: containers of a transition and change notices do not."""
    return code(task.get("code"), TASK_TYPE) not in NOT_WORK


def tasks_of(plan_id: str, resources: Iterable[Resource]) -> list[Resource]:
    """The tasks of a plan: based on it, on one of its service requests, or part of such a task."""
    resources = list(resources)
    bases = {f"CarePlan/{plan_id}"}
    bases |= {
        local(item)
        for item in resources
        if item["resourceType"] == "ServiceRequest" and bases & set(targets(item.get("basedOn")))
    }
    tasks = [item for item in resources if item["resourceType"] == "Task" and item.get("status") != "entered-in-error"]
    parts: dict[str, list[Resource]] = {}
    for item in tasks:
        for parent in targets(item.get("partOf")):
            parts.setdefault(parent, []).append(item)
    found = {local(item): item for item in tasks if bases & set(targets(item.get("basedOn")))}
    waiting = list(found)
    while waiting:
        for item in parts.get(waiting.pop(), ()):
            if local(item) not in found:
                found[local(item)] = item
                waiting.append(local(item))
    return list(found.values())


def due_time(task: Resource, zone: ZoneInfo) -> datetime | None:
    """When a task is due: restriction.period.end; a date without time means the end of that day in ``zone``."""
    return moment(child(task, "restriction", "period", "end"), zone)


def _blockers(task: Resource) -> list[str]:
    return list(extension_targets(task, BLOCKED_BY))


def _above(task: Resource, known: Mapping[str, Resource], plan: Resource | None) -> list[Resource]:
    """The parent tasks that a task is part of, and the plan or plans it hangs from."""
    refs = set(targets(task.get("partOf")))
    if plan is not None:
        return [plan, *(known[ref] for ref in refs if ref in known)]
    bases = set(targets(task.get("basedOn")))
    for ref in [item for item in bases if item.startswith("ServiceRequest/")]:
        bases |= set(targets(child(known.get(ref), "basedOn")))
    return [known[ref] for ref in refs | bases if ref in known and not ref.startswith("ServiceRequest/")]


def _finished(blocker: Resource | None) -> bool:
    """Whether what blocks a task is over; something unknown to us is taken to hold it still."""
    if blocker is None:
        return False
    kind = blocker["resourceType"]
    if kind == "Condition":
        return any(word(item, "code") in FINISHED[kind] for item in objects(child(blocker, "clinicalStatus", "coding")))
    return word(blocker) in FINISHED.get(kind, TERMINAL)
