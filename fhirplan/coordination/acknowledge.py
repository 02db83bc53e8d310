"""Says who is to see a change that came from the EHR: one open acknowledge-change task for each resource (guide 4.2).

The lead of the plan owns it; completed, with the outcome acknowledged, it says that the change was seen. A further
change of the same resource moves the open task on, so that nobody is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.case import is_case_management, task_type
from fhirplan.coordination.consequences import Consequence
from fhirplan.coordination.deadlines import business_days_after
from fhirplan.coordination.elements import child, is_derived, is_open, local, patient_of, target, word
from fhirplan.coordination.labels import labelled
from fhirplan.coordination.vocabulary import IO_TYPE, TASK_TYPE
from fhirplan.coordination.world import World, plan_tasks, plans_of
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource

TYPES: Final = frozenset({"CarePlan", "Goal", "CareTeam", "Task"})
KIND: Final = "acknowledge-change"
WITHIN: Final = 3
"""Business days until a change is to be acknowledged."""
_IN_FORCE: Final = frozenset({"active", "on-hold"})
_WORDS: Final = {"CarePlan": "plan", "Goal": "goal", "CareTeam": "care team", "Task": "task"}


def notices(
    world: World,
    changed: Resource,
    version: int,
    now: datetime,
    zone: ZoneInfo,
    *,
    requester: str,
    torn: bool = False,
    holidays: Set[date] = frozenset(),
) -> tuple[Consequence, ...]:
    """The tasks that tell of ``changed``, now stored as ``version``: new, or the open one as it becomes.

    Nothing for what belongs to no plan in force, or to one that nobody leads. ``torn`` says that both sides changed
    it, and nothing was overwritten. ``requester`` is the reference of the fhirplan Device. Reads the plans it belongs
    to and their tasks.
    """
    kind = changed["resourceType"]
    if kind not in TYPES or is_derived(changed) or (kind == "Task" and task_type(changed) == KIND):
        return ()
    local_now = now.astimezone(zone)
    due = business_days_after(local_now, WITHIN, zone, holidays)
    found = []
    for plan in _plans(world, changed):
        if not _is_led(plan):
            continue
        told = _told(plan, changed, version, local_now, torn)
        known = [task for task in plan_tasks(world, local(plan)) if task_type(task) == KIND]
        if any(child(task, "focus", "reference") == told["focus"]["reference"] for task in known):
            continue
        standing = _standing(known, local(changed))
        task = _asked(told, plan, requester, due) if standing is None else _moved_on(standing, told)
        found.append(Consequence("write", "cm-x-30", labelled(task, [item for item in (standing, changed) if item])))
    return tuple(found)


def _plans(world: World, changed: Resource) -> Iterable[Resource]:
    kind, ref = changed["resourceType"], local(changed)
    if kind == "CarePlan":
        return [changed]
    if kind == "Task":
        return plans_of(world, changed)
    return world.points("CarePlan", "goal" if kind == "Goal" else "careTeam", ref)


def _is_led(plan: Resource) -> bool:
    """Whether it is a plan of ours in force, with somebody to tell."""
    return word(plan) in _IN_FORCE and is_case_management(plan) and _lead(plan).startswith("Practitioner")


def _lead(plan: Resource) -> str:
    return target(plan.get("author"))


def _standing(tasks: Iterable[Resource], about: str) -> Resource | None:
    """The open task that tells of a resource already."""
    for task in tasks:
        focus = reference.parse(child(task, "focus", "reference"))
        if is_open(task) and focus is not None and focus.local == about:
            return task
    return None


def _asked(told: Resource, plan: Resource, requester: str, due: datetime) -> Resource:
    """A new task for the lead of the plan."""
    return {
        **told,
        "requester": {"reference": requester},
        "owner": {"reference": _lead(plan)},
        "restriction": {"period": {"end": due.isoformat(timespec="seconds")}},
    }


def _moved_on(standing: Resource, told: Resource) -> Resource:
    """The open task, which is about the newer version from here on."""
    return {**standing, **{key: told[key] for key in ("description", "focus", "input", "lastModified")}}


def _told(plan: Resource, changed: Resource, version: int, now: datetime, torn: bool) -> Resource:
    written = now.isoformat(timespec="seconds")
    focus = {"reference": f"{local(changed)}/_history/{version}"}
    what = _WORDS[changed["resourceType"]]
    said = (
        f"The EHR changed this {what} while it was changed here: nothing was overwritten, and a person has to decide."
        if torn
        else f"The EHR changed this {what}. Look at it, and confirm that it was seen."
    )
    return {
        "resourceType": "Task",
        "meta": {"profile": ["http://fhirplan.dev/fhir/StructureDefinition/case-management-task"]},
        "basedOn": [{"reference": local(plan)}],
        "status": "requested",
        "intent": "order",
        "priority": "routine",
        "code": {
            "coding": [{"system": TASK_TYPE, "code": KIND, "display": "Acknowledge change"}],
            "text": "Confirm that a change made in the EHR was seen",
        },
        "description": said,
        "focus": focus,
        "for": {"reference": patient_of(plan)},
        "authoredOn": written,
        "lastModified": written,
        "input": [
            {
                "type": {
                    "coding": [{"system": IO_TYPE, "code": "changed-resource", "display": "Changed resource"}],
                },
                "valueReference": focus,
            }
        ],
    }
