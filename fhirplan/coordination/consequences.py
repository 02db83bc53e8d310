"""Says what else a change brings about: tasks cancelled with their plan, a readmission to review (cm-x-03, 19, 22)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from fhirplan.coordination import transitions
from fhirplan.coordination.case import is_active_plan, task_type
from fhirplan.coordination.elements import beginning, child, local, patient_of, target, word
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.vocabulary import NOT_STARTED, STATUS_REASON, TASK_TYPE, TERMINAL, TRANSITION_STAGE
from fhirplan.coordination.world import After, Change, World, plan_tasks
from fhirplan.fhir.codec import Resource

_REVIEW_WITHIN: Final = timedelta(hours=48)
_READMITTED: Final = {"system": TRANSITION_STAGE, "code": "readmitted", "display": "Readmitted"}


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows from a change by a rule: a resource as it should become.

    ``write`` belongs into the same transaction as the change; ``propose`` is only shown, for a person to decide. A
    new resource has no id; the caller gives it one.
    """

    kind: Literal["write", "propose"]
    rule: str
    resource: Resource

    @property
    def is_new(self) -> bool:
        """Whether the resource is not stored yet."""
        return "id" not in self.resource


def consequences(
    before: World,
    changes: Sequence[Change],
    now: datetime,
    zone: ZoneInfo,
    requester: Callable[[Resource], str] | None = None,
) -> tuple[Consequence, ...]:
    """What follows from these changes, in the record as it is after them; nothing that it holds already.

    ``requester`` names who asks for the review of a readmission to a plan; by default the plan's author.
    """
    after = After(before, changes)
    local_now = now.astimezone(zone)
    found: dict[str, Consequence] = {}
    for change in changes:
        for item in _of(after, change, local_now, zone, requester or _author):
            key = local(item.resource) if not item.is_new else f"{item.rule} {target(item.resource.get('focus'))}"
            found.setdefault(key, item)
    return tuple(found.values())


def _of(
    world: World, change: Change, now: datetime, zone: ZoneInfo, requester: Callable[[Resource], str]
) -> Iterator[Consequence]:
    if change.type == "CarePlan" and change.became("status", "revoked"):
        yield from _revoked(world, change.ref, now)
    if change.type == "Task" and change.became("status", "cancelled", "failed"):
        yield from _parent_ended(world, change, now)
    if change.type == "Encounter" and change.after is not None:
        yield from _readmitted(world, change.after, now, zone, requester)


def _revoked(world: World, plan: str, now: datetime) -> Iterator[Consequence]:
    for task in plan_tasks(world, plan):
        if word(task) in NOT_STARTED:
            yield Consequence("write", "cm-x-03", _with(task, "cancelled", "plan-revoked", "Plan revoked", now))


def _parent_ended(world: World, change: Change, now: datetime) -> Iterator[Consequence]:
    for part in world.points("Task", "partOf", change.ref):
        if word(part) in NOT_STARTED:
            made = _with(part, "cancelled", "no-longer-needed", "No longer needed", now)
            yield Consequence("propose", "cm-x-22", made)


def _with(task: Resource, status: str, reason: str, display: str, now: datetime) -> Resource:
    """The task with that status and reason; a business status that waits or works is no longer true and goes."""
    moved = {
        **{key: value for key, value in task.items() if key != "businessStatus" or _is_stage(value)},
        "status": status,
        "statusReason": {"coding": [{"system": STATUS_REASON, "code": reason, "display": display}]},
    }
    return applied(task, moved, now)


def _is_stage(status: Any) -> bool:
    return any(item.get("system") == TRANSITION_STAGE for item in child(status, "coding") or ())


def _readmitted(
    world: World, encounter: Resource, now: datetime, zone: ZoneInfo, requester: Callable[[Resource], str]
) -> Iterator[Consequence]:
    if transitions.readmission(world, encounter, zone) is None:
        return
    for plan in world.of_patient(patient_of(encounter), "CarePlan"):
        if not (is_active_plan(plan) or word(plan) == "on-hold"):
            continue
        tasks = plan_tasks(world, local(plan))
        reviewed = any(
            task_type(task) == "readmission-review" and target(task.get("focus")) == local(encounter) for task in tasks
        )
        if reviewed:
            continue
        moving = [item for item in tasks if task_type(item) == "manage-transition" and word(item) not in TERMINAL]
        for task in moving:
            staged = {**task, "businessStatus": {"coding": [_READMITTED]}}
            yield Consequence("write", "cm-x-19", applied(task, staged, now))
        start = beginning(child(encounter, "period", "start"), zone) or now
        parent = local(moving[-1]) if moving else ""
        yield Consequence("write", "cm-x-19", _review(plan, encounter, parent, max(start, now), now, requester(plan)))
        for task in transitions.open_follow_up(tasks):
            yield Consequence("propose", "cm-x-19", _with(task, "on-hold", "readmitted", "Patient readmitted", now))


def _author(plan: Resource) -> str:
    return target(plan.get("author"))


def _review(
    plan: Resource, encounter: Resource, parent: str, basis: datetime, now: datetime, requester: str
) -> Resource:
    written = now.isoformat(timespec="seconds")
    made: Resource = {
        "resourceType": "Task",
        "meta": {"profile": ["http://fhirplan.dev/fhir/StructureDefinition/case-management-task"]},
        "basedOn": [{"reference": local(plan)}],
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "code": {"coding": [{"system": TASK_TYPE, "code": "readmission-review", "display": "Review readmission"}]},
        "description": "Find out why the patient was readmitted and what would have prevented it.",
        "focus": {"reference": local(encounter)},
        "for": {"reference": patient_of(plan)},
        "authoredOn": written,
        "lastModified": written,
        "restriction": {"period": {"end": (basis + _REVIEW_WITHIN).isoformat(timespec="seconds")}},
    }
    if parent:
        made["partOf"] = [{"reference": parent}]
    if requester:
        made["requester"] = {"reference": requester}
        made["owner"] = {"reference": requester}
    return made
