"""Puts the care-plan page of one patient together from its parts; the templates show what stands here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fhirplan.chart import contacts, goals, header, needs, people, refusals, tasks, team, transition, urgent
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
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource

__all__ = ["CarePlanPage", "Finding", "World", "build"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the checks found in one of the EHR's copies; ``detail`` is in English."""

    ref: str
    what: str
    text: str
    detail: str


@dataclass(frozen=True)
class CarePlanPage:
    """All that the templates show of a patient and a plan, each part made when a page first asks for it.

    ``missing`` says in words what the plan names and is not here.
    """

    patient: Resource
    world: World
    chosen: Resource | None

    @cached_property
    def state(self) -> PlanState | None:
        """The coordination state of the plan."""
        return self.world.state_of(self.chosen) if self.chosen else None

    @cached_property
    def all_tasks(self) -> tuple[TaskRow, ...]:
        """Every row of a task, the open ones first, then the planned ones."""
        found = self.state.tasks if self.state else self.world.of("Task")
        states = {item.task["id"]: item.state for item in self.state.work} if self.state else {}
        rows = tasks.rows([item for item in found if due.is_work(item)], self.world, states)
        return tuple(sorted(rows, key=lambda row: 0 if row.open else 1 if row.planned else 2))

    @cached_property
    def now(self) -> tuple[TaskRow, ...]:
        """The open tasks."""
        return tuple(row for row in self.all_tasks if row.open)

    @cached_property
    def planned(self) -> tuple[TaskRow, ...]:
        """The tasks that are only planned."""
        return tuple(row for row in self.all_tasks if row.planned)

    @cached_property
    def done(self) -> tuple[TaskRow, ...]:
        """The tasks that have ended."""
        return tuple(row for row in self.all_tasks if not row.open and not row.planned)

    @cached_property
    def header(self) -> Header:
        """Who the patient is."""
        return header.header(self.patient, self.world)

    @cached_property
    def plan(self) -> Plan | None:
        """The plan itself."""
        return header.plan(self.chosen, self.world) if self.chosen else None

    @cached_property
    def other_plans(self) -> tuple[Plan, ...]:
        """The patient's other plans."""
        return header.others(self.chosen, self.world)

    @cached_property
    def urgent(self) -> Urgent:
        """What to do first."""
        return urgent.urgent(self.now, self.world)

    @cached_property
    def overall(self) -> str:
        """How the plan stands, in words."""
        return urgent.overall(self.state, self.world)[0] if self.state else ""

    @cached_property
    def alerts(self) -> tuple[AlertLine, ...]:
        """The flags that stand."""
        return urgent.alerts(self.world)

    @cached_property
    def goals(self) -> tuple[GoalRow, ...]:
        """The goals of the plan."""
        return goals.goals(self.chosen, self.world)

    @cached_property
    def team(self) -> tuple[Member, ...]:
        """Who cares for the patient."""
        return team.team(self.chosen, self.world)

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """Needs, barriers and strengths."""
        return needs.needs(self.chosen, self.world)

    @cached_property
    def clock(self) -> Clock | None:
        """When the patient was last spoken to, and is to be next."""
        return contacts.clock(self.state, self.world) if self.state else None

    @cached_property
    def transition(self) -> Transition | None:
        """How far a change of setting has come."""
        return transition.transition(self.state, self.world) if self.state else None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks found in the EHR's copies."""
        return _findings(self.world)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What the plan names and is not here."""
        return _missing(self.chosen, self.world)

    @cached_property
    def sync(self) -> Chip:
        """Whether the EHR has what we have."""
        return _overall_sync(self._standings, self.world)

    @cached_property
    def _standings(self) -> list[Chip]:
        shown = [row.sync for row in self.all_tasks] + [row.sync for row in self.goals]
        return [item for item in (*shown, self.plan.sync if self.plan else None) if item]

    @property
    def open_count(self) -> str:
        """How many tasks are open, in words."""
        return self.world.words("n.tasks", n=len(self.now))

    @property
    def as_of(self) -> str:
        """The moment of the page, in words."""
        words, now = self.world.words, self.world.now
        return words("as_of", date=words.moment(now, now, self.world.zone))

    @property
    def ready_to_close(self) -> bool:
        """Whether nothing is left to do in the plan."""
        return bool(self.state and self.state.ready_to_close)


def build(patient: Resource, world: World, plan_id: str = "") -> CarePlanPage:
    """The page of a patient; ``plan_id`` chooses a plan, else the active one that began last is shown."""
    return CarePlanPage(patient, world, chosen(world, plan_id))


def _overall_sync(states: list[Chip], world: World) -> Chip:
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
        (not issue.is_error, ref, _finding(ref, issue, world))
        for ref, issues in world.findings.items()
        if ref in world.known
        for issue in issues
        if issue.severity != "information"
    ]
    rows.sort(key=lambda row: row[:2])
    return tuple(finding for _, _, finding in rows)


def _finding(ref: str, issue: Issue, world: World) -> Finding:
    name = people.name_of(world.known[ref], world.known, world.words) or ref
    detail = refusals.detail(issue, world.words)
    text = world.words("rule.base", rule=issue.rule or issue.code) if detail else refusals.said(issue, world.words)
    return Finding(ref, name, text, detail)
