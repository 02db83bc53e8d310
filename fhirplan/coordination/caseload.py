"""Writes a plan's coordination state as rows that SQL can filter and order without computing it again.

What the clock changes is held as the moment at which it changes, so that the rows are right at any time between two
projections: a task is overdue when its ``due`` is before now. Times are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.case import program, task_type
from fhirplan.coordination.elements import acuity, child, codes, objects, target, word
from fhirplan.coordination.progress import goal_over, is_behind, tier
from fhirplan.coordination.state import PlanState, is_high
from fhirplan.coordination.vocabulary import GRAVE, SETTING
from fhirplan.fhir.codec import Resource

# A goal that is off its track already; before any moment there is.
ALWAYS: Final = 0
_CALL: Final = "post-discharge-call"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One plan in force. ``plan`` and ``patient`` are ids, ``lead`` is ``Type/id``.

    ``off_from`` is the first moment at which a goal is off track, ``high_off_from`` that of a goal of high priority,
    None when no goal ever is. ``contact_due`` is when the next contact is due, ``changes`` counts what waits to be
    acknowledged. ``programs`` and ``settings`` are codes.
    """

    plan: str
    patient: str
    name: str
    birth: str
    title: str
    status: str
    lead: str
    acuity: str
    stage: str
    risk: str
    programs: tuple[str, ...]
    settings: tuple[str, ...]
    referrals: int
    changes: int
    at_risk: bool
    off_from: int | None
    high_off_from: int | None
    last_contact: int | None
    contact_due: int | None
    goals_achieved: int


@dataclass(frozen=True, slots=True)
class WorkRow:
    """One open or planned work task of a plan. ``task`` is an id, ``owner`` is ``Type/id`` or "".

    ``grave`` says that being overdue makes the plan critical: the priority is urgent or above, or it is the call
    after a discharge. ``due`` is None for a task without a due time.
    """

    task: str
    title: str
    type: str
    status: str
    priority: str
    owner: str
    planned: bool
    blocked: bool
    unassigned: bool
    grave: bool
    due: int | None


def plan_row(found: PlanState, patient: Resource | None, zone: ZoneInfo) -> PlanRow:
    """The row of a plan, with the name and birth date of its patient."""
    plan = found.plan
    return PlanRow(
        plan=str(plan["id"]),
        patient=found.patient.removeprefix("Patient/"),
        name=name_of(patient),
        birth=word(patient, "birthDate"),
        title=word(plan, "title"),
        status=word(plan),
        lead=target(plan.get("author")),
        acuity=acuity(plan),
        stage=found.stage,
        risk=tier(found.risk),
        programs=tuple(sorted(program(plan))),
        settings=tuple(sorted(codes(plan.get("category"), SETTING))),
        referrals=len(found.referrals),
        changes=len(found.changes),
        at_risk=any(item.track == "at-risk" for item in found.goals),
        off_from=_first_off(found, zone),
        high_off_from=_first_off(found, zone, high=True),
        last_contact=milliseconds(found.contact.at) if found.contact else None,
        contact_due=milliseconds(found.next_contact_due) if found.next_contact_due else None,
        goals_achieved=found.tracked("achieved"),
    )


def work_rows(found: PlanState) -> list[WorkRow]:
    """The rows of the open and planned work tasks of a plan."""
    return list(_work_rows(found))


def _work_rows(found: PlanState) -> Iterator[WorkRow]:
    for item in found.work:
        task, kind = item.task, item.type
        yield WorkRow(
            task=str(task.get("id") or ""),
            title=title_of(task),
            type=kind,
            status=word(task),
            priority=word(task, "priority"),
            owner=_owner(task),
            planned=item.state.planned,
            blocked=item.state.blocked,
            unassigned=item.state.unassigned,
            grave=item.state.open and (word(task, "priority") in GRAVE or kind == _CALL),
            due=milliseconds(item.state.due) if item.state.due else None,
        )


def _owner(task: Resource) -> str:
    owner = child(task, "owner", "reference")
    return target(task.get("owner")) or (owner if isinstance(owner, str) else "")


def _first_off(found: PlanState, zone: ZoneInfo, *, high: bool = False) -> int | None:
    """The first moment at which a goal, or one of high priority, is off track."""
    moments = []
    for item in found.goals:
        if item.track in ("", "achieved") or (high and not is_high(item.goal)):
            continue
        if is_behind(item.goal):
            moments.append(ALWAYS)
        elif (over := goal_over(item.goal, zone)) is not None:
            moments.append(milliseconds(over))
    return min(moments, default=None)


def milliseconds(at: datetime) -> int:
    """The moment in milliseconds since 1970, a fraction of one cut off."""
    return floor(at.timestamp() * 1000)


def title_of(task: Resource) -> str:
    """What a task is called, for a list: the text of its code, its description, its display or its type."""
    code = task.get("code")
    said = [child(code, "text"), task.get("description"), *(item.get("display") for item in _codings(code))]
    return next((item for item in said if isinstance(item, str) and item), task_type(task))


def _codings(concept: Any) -> list[dict[str, Any]]:
    return objects(child(concept, "coding"))


def name_of(patient: Resource | None) -> str:
    """A patient's name for a list, family name first; "" when none is known."""
    for kind in ("official", "usual", ""):
        for item in objects(child(patient, "name")):
            if kind and item.get("use") != kind:
                continue
            given = " ".join(str(one) for one in item.get("given") or () if isinstance(one, str))
            parts = [part for part in (item.get("family"), given) if isinstance(part, str) and part]
            if parts:
                return ", ".join(parts)
            if isinstance(item.get("text"), str):
                return str(item["text"])
    return ""
