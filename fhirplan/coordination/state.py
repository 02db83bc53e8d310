"""Computes the coordination state of a plan at a moment: counts, times, tracks, overall (guide 4.3 to 4.5).

Nothing here is written into a plan, a goal or a task; it is computed from them, with the time as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhirplan.coordination.due import TaskState, is_work, task_state
from fhirplan.coordination.elements import (
    acuity,
    child,
    code,
    extension_targets,
    is_open,
    local,
    moment,
    objects,
    patient_of,
    target,
    targets,
    word,
)
from fhirplan.coordination.progress import Contact, Track, contacts, newest_risk, next_contact, tier, track
from fhirplan.coordination.vocabulary import (
    BLOCKED_BY,
    GOAL_PRIORITY,
    GRAVE,
    OPEN_REQUEST,
    TASK_TYPE,
    TERMINAL,
    TRANSITION_STAGE,
)
from fhirplan.coordination.world import World, plan_requests, plan_tasks
from fhirplan.fhir.codec import Resource

Overall = Literal["critical", "attention", "on-track"]
Standing = Literal["open", "planned", "overdue", "blocked", "unassigned", "due_soon"]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One task of a plan and its state at the moment."""

    task: Resource
    state: TaskState

    @property
    def ref(self) -> str:
        """``Task/id``."""
        return local(self.task)

    @property
    def type(self) -> str:
        """The case-management task type, or ""."""
        return code(self.task.get("code"), TASK_TYPE)

    @property
    def due_written(self) -> str:
        """The due time as it is written, or ""."""
        return str(child(self.task, "restriction", "period", "end") or "") if self.state.due else ""

    @property
    def grave(self) -> bool:
        """Whether the priority is urgent or above."""
        return word(self.task, "priority") in GRAVE


@dataclass(frozen=True, slots=True)
class GoalItem:
    """One goal of a plan and how it stands."""

    goal: Resource
    track: Track


@dataclass(frozen=True, slots=True)
class PlanState:
    """The coordination state of a plan. ``work`` are its open and planned work tasks, ``transition`` the newest
    manage-transition task that has not ended, ``changes`` its open acknowledge-change tasks, ``referrals`` its open
    service requests; ``ready_to_close`` is rule cm-x-05."""

    plan: Resource
    work: tuple[WorkItem, ...]
    transition: Resource | None
    changes: tuple[Resource, ...]
    referrals: tuple[Resource, ...]
    goals: tuple[GoalItem, ...]
    contact: Contact | None
    next_contact_due: datetime | None
    risk: Resource | None
    overall: Overall
    ready_to_close: bool
    tasks: tuple[Resource, ...] = field(repr=False, default=())

    @property
    def ref(self) -> str:
        """``CarePlan/id``."""
        return local(self.plan)

    @property
    def patient(self) -> str:
        """``Patient/id`` of the plan, or ""."""
        return patient_of(self.plan)

    @property
    def stage(self) -> str:
        """The transition stage, or ""."""
        return code(child(self.transition, "businessStatus"), TRANSITION_STAGE)

    def having(
        self, name: Literal["open", "planned", "overdue", "blocked", "unassigned", "due_soon"]
    ) -> list[WorkItem]:
        """The work tasks for which this is true."""
        return [item for item in self.work if getattr(item.state, name)]

    @property
    def next_due(self) -> WorkItem | None:
        """The open task that is due first of those not overdue."""
        return _first(item for item in self.having("open") if not item.state.overdue)

    @property
    def oldest_overdue(self) -> WorkItem | None:
        """The task that has been overdue the longest."""
        return _first(self.having("overdue"))

    def tracked(self, name: Track) -> int:
        """How many goals stand so."""
        return sum(item.track == name for item in self.goals)


def state(world: World, plan: Resource, now: datetime, zone: ZoneInfo) -> PlanState:
    """The coordination state of a plan at ``now``, with dates and clock times read in ``zone``.

    Reads the plan's requests and tasks (``points``), its goals and risk assessments (``get``), what blocks each open
    task, its parents, and the communications based on any of these.
    """
    tasks = plan_tasks(world, local(plan))
    work = tuple(_item(world, plan, task, now, zone) for task in tasks if is_work(task))
    requests = plan_requests(world, local(plan))
    goals = tuple(
        GoalItem(goal, track(goal, now, zone)) for ref in targets(plan.get("goal")) if (goal := world.get(ref))
    )
    spoken = contacts(_communications(world, plan, tasks, requests), zone)
    last = spoken[-1] if spoken else None
    risks = [world.get(ref) for ref in targets(plan.get("supportingInfo")) if ref.startswith("RiskAssessment/")]
    made = PlanState(
        plan=plan,
        work=tuple(item for item in work if item.state.open or item.state.planned),
        transition=_transition(tasks, zone),
        changes=tuple(task for task in tasks if _type(task) == "acknowledge-change" and is_open(task)),
        referrals=tuple(item for item in requests if word(item) in OPEN_REQUEST),
        goals=goals,
        contact=last,
        next_contact_due=next_contact(plan, last, zone),
        risk=newest_risk((item for item in risks if item), zone),
        overall="on-track",
        ready_to_close=_ready_to_close(world, plan, tasks, goals),
        tasks=tuple(tasks),
    )
    return _judged(made, now)


def _judged(made: PlanState, now: datetime) -> PlanState:
    overdue = made.having("overdue")
    critical = (
        made.stage == "readmitted"
        or any(item.grave or item.type == "post-discharge-call" for item in overdue)
        or any(item.track == "off-track" and is_high(item.goal) for item in made.goals)
    )
    attention = (
        overdue
        or made.having("blocked")
        or made.having("unassigned")
        or made.changes
        or made.tracked("off-track")
        or made.tracked("at-risk")
        or (made.next_contact_due is not None and made.next_contact_due < now)
    )
    overall: Overall = "critical" if critical else "attention" if attention else "on-track"
    return replace(made, overall=overall)


def is_high(goal: Resource) -> bool:
    """Whether a goal has the priority high-priority."""
    return code(goal.get("priority"), GOAL_PRIORITY) == "high-priority"


def _item(world: World, plan: Resource, task: Resource, now: datetime, zone: ZoneInfo) -> WorkItem:
    refs = {*targets(task.get("partOf")), *extension_targets(task, BLOCKED_BY)} if is_open(task) else ()
    known = {ref: found for ref in refs if (found := world.get(ref)) is not None}
    return WorkItem(task, task_state(task, known, now, zone, plan))


def _communications(
    world: World, plan: Resource, tasks: list[Resource], requests: Iterable[Resource]
) -> Iterable[Resource]:
    found = {
        local(item): item
        for about in [plan, *tasks, *requests]
        for item in world.points("Communication", "basedOn", local(about))
    }
    return found.values()


def _transition(tasks: list[Resource], zone: ZoneInfo) -> Resource | None:
    going_on = [
        (at, local(task), task)
        for task in tasks
        if _type(task) == "manage-transition"
        and word(task) not in TERMINAL
        and (at := moment(task.get("authoredOn"), zone)) is not None
    ]
    return max(going_on, key=lambda item: item[:2])[2] if going_on else None


def _type(task: Resource) -> str:
    return code(task.get("code"), TASK_TYPE)


def _first(items: Iterable[WorkItem]) -> WorkItem | None:
    dated = [(item.state.due, item.ref, item) for item in items if item.state.due is not None]
    return min(dated, key=lambda item: item[:2])[2] if dated else None


def _ready_to_close(world: World, plan: Resource, tasks: list[Resource], goals: tuple[GoalItem, ...]) -> bool:
    """Rule cm-x-05: everything the plan set going has ended, and no goal is still pursued."""
    activities = [target(item.get("reference")) for item in objects(plan.get("activity"))]
    ended = TERMINAL | {"revoked", "fulfilled", "noshow", "stopped"}
    known = [world.get(ref) for ref in activities if ref]
    return (
        plan.get("status") == "active"
        and bool(known or tasks)
        and all(item is None or word(item) in ended for item in known)
        and not any(is_open(task) for task in tasks)
        and not any(item.goal.get("lifecycleStatus") == "active" for item in goals)
    )


def summary(made: PlanState) -> dict[str, Any]:
    """The counts and times of a state by the names of the summary extension; a time that is not known is left out."""
    contact_due = made.next_contact_due
    found: dict[str, Any] = {
        "overall": made.overall,
        "stage": made.stage,
        "acuity": acuity(made.plan),
        "readmissionRisk": tier(made.risk),
        "openTasks": len(made.having("open")),
        "overdueTasks": len(made.having("overdue")),
        "blockedTasks": len(made.having("blocked")),
        "unassignedTasks": len(made.having("unassigned")),
        "dueSoonTasks": len(made.having("due_soon")),
        "plannedTasks": len(made.having("planned")),
        "openReferrals": len(made.referrals),
        "goalsOnTrack": made.tracked("on-track"),
        "goalsAtRisk": made.tracked("at-risk"),
        "goalsOffTrack": made.tracked("off-track"),
        "goalsAchieved": made.tracked("achieved"),
        "unacknowledgedChanges": len(made.changes),
        "nextDue": made.next_due.due_written if made.next_due else "",
        "oldestOverdue": made.oldest_overdue.due_written if made.oldest_overdue else "",
        "lastContact": made.contact.written if made.contact else "",
        "nextContactDue": contact_due.isoformat(timespec="seconds") if contact_due else "",
    }
    return {key: value for key, value in found.items() if value != ""}
