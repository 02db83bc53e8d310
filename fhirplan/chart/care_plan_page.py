"""Puts the care-plan page of one patient together from its parts; the templates show what stands here."""

from __future__ import annotations

from dataclasses import dataclass

from fhirplan.chart import contacts, goals, header, needs, people, tasks, team, transition, urgent
from fhirplan.chart.chips import SYNC, Chip
from fhirplan.chart.contacts import Clock
from fhirplan.chart.goals import GoalRow
from fhirplan.chart.header import Header, Plan
from fhirplan.chart.needs import Need
from fhirplan.chart.tasks import TaskRow
from fhirplan.chart.team import Member
from fhirplan.chart.transition import Transition
from fhirplan.chart.urgent import AlertLine, Urgent
from fhirplan.chart.world import World, chosen
from fhirplan.coordination import due
from fhirplan.coordination.state import PlanState
from fhirplan.fhir.codec import Resource

__all__ = ["CarePlanPage", "Finding", "World", "build"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the checks found in one of the EHR's copies."""

    ref: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class CarePlanPage:
    """All that the templates show; ``missing`` says in words what the plan names and is not here."""

    header: Header
    plan: Plan | None
    urgent: Urgent
    overall: str
    overall_tone: str
    alerts: tuple[AlertLine, ...]
    now: tuple[TaskRow, ...]
    planned: tuple[TaskRow, ...]
    done: tuple[TaskRow, ...]
    goals: tuple[GoalRow, ...]
    team: tuple[Member, ...]
    lead: Member | None
    needs: tuple[Need, ...]
    clock: Clock | None
    transition: Transition | None
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]
    other_plans: tuple[Plan, ...]
    sync: Chip
    behind: int
    open_count: str
    as_of: str
    ready_to_close: bool
    unlinked: tuple[TaskRow, ...] = ()

    @property
    def all_tasks(self) -> tuple[TaskRow, ...]:
        """Every row of a task, the open ones first."""
        return (*self.now, *self.planned, *self.done)


def build(patient: Resource, world: World, plan_id: str = "") -> CarePlanPage:
    """The page of a patient; ``plan_id`` chooses a plan, else the active one that began last is shown."""
    plan = chosen(world, plan_id)
    found = due.tasks_of(plan["id"], list(world.known.values())) if plan else world.of("Task")
    rows = tasks.rows([item for item in found if due.is_work(item)], world)
    now = tuple(row for row in rows if row.open)
    made: PlanState | None = world.state_of(plan) if plan else None
    goal_rows = goals.goals(plan, world)
    shown = [row.sync for row in rows] + [row.sync for row in goal_rows] + ([world.standing(plan)] if plan else [])
    overall, tone = urgent.overall(made, world) if made else ("", "")
    return CarePlanPage(
        header=header.header(patient, world),
        plan=header.plan(plan, world) if plan else None,
        urgent=urgent.urgent(now, world),
        overall=overall,
        overall_tone=tone,
        alerts=urgent.alerts(world),
        now=now,
        planned=tuple(row for row in rows if row.planned),
        done=tuple(row for row in rows if not row.open and not row.planned),
        goals=goal_rows,
        team=team.team(plan, world),
        lead=team.lead(plan, world),
        needs=needs.needs(plan, world),
        clock=contacts.clock(made, world) if made else None,
        transition=transition.transition(made, world) if made else None,
        findings=_findings(world),
        missing=_missing(plan, world),
        other_plans=header.others(plan, world),
        sync=_overall_sync(shown, world),
        behind=sum(item is not None and item.icon != SYNC["ok"][0] for item in shown),
        open_count=world.words("n.tasks", n=len(now)),
        as_of=world.words("as_of", date=world.words.moment(world.now, world.now, world.zone)),
        ready_to_close=bool(made and made.ready_to_close),
    )


def _overall_sync(shown: list[Chip | None], world: World) -> Chip:
    states = [item for item in shown if item]
    if not states:
        return Chip("note", "neutral", world.words("sync.none"))
    behind = [item for item in states if item.icon != SYNC["ok"][0]]
    if not behind:
        return Chip("check", "ok", world.words("sync.all_ok", ehr=world.ehr))
    return Chip("hourglass", "wait", world.words("sync.some", n=len(behind), ehr=world.ehr))


def _missing(plan: Resource | None, world: World) -> tuple[str, ...]:
    """What the plan names that is not here, said rather than left out silently."""
    if plan is None:
        return ()
    lacking = goals.missing(plan, world)
    made = [world.words("missing.goals", n=lacking, ehr=world.ehr)] if lacking else []
    if plan.get("careTeam") and not team.teams(plan, world):
        made.append(world.words("missing.team", ehr=world.ehr))
    gone = sum(_is_gone(item, world) for item in world.of("Task") if item.get("owner"))
    if gone:
        made.append(world.words("missing.owners", n=gone))
    return tuple(made)


def _is_gone(task: Resource, world: World) -> bool:
    ref = str((task.get("owner") or {}).get("reference") or "")
    is_ours = ref.count("/") == 1 and not ref.startswith(("#", "http"))
    return is_ours and ref not in world.known


def _findings(world: World) -> tuple[Finding, ...]:
    """What the checks found in the EHR's copies, errors first; notes that ask for nothing are left out."""
    rows = [
        (not issue.is_error, ref, Finding(ref, people.name_of(world.known[ref], world.known) or ref, issue.text))
        for ref, issues in world.findings.items()
        if ref in world.known
        for issue in issues
        if issue.severity != "information"
    ]
    rows.sort(key=lambda row: row[:2])
    return tuple(finding for _, _, finding in rows)
