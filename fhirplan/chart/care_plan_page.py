"""Builds the care-plan page of one patient: what needs doing, goals, tasks, team and whether the EHR has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.chart import chips, people
from fhirplan.chart.chips import Chip
from fhirplan.chart.words import Words
from fhirplan.coordination import due
from fhirplan.coordination.due import TaskState
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource

CARE_TEAM_ROLE: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-care-team-role"
CONTACT_OUTCOME: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-contact-outcome"
NEED_TYPE: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-need-type"
GOAL_ACHIEVEMENT: Final = "http://terminology.hl7.org/CodeSystem/goal-achievement"
GOAL_PRIORITY: Final = "http://terminology.hl7.org/CodeSystem/goal-priority"
_PLAN_ORDER: Final = {"active": 0, "on-hold": 1, "draft": 2}


@dataclass(frozen=True, slots=True)
class World:
    """What the page is made from: every resource by reference, the sync state of each that has one, and what was
    found wrong with each that came from the EHR."""

    known: Mapping[str, Resource]
    sync: Mapping[str, str]
    now: datetime
    zone: ZoneInfo
    words: Words
    ehr: str
    findings: Mapping[str, tuple[Issue, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """Who this is about."""

    name: str
    age: str
    born: str
    language: str
    phone: str


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task; ``tone`` is overdue, soon or empty, and ``due`` its words."""

    id: str
    title: str
    description: str
    state: Chip
    business_status: str
    due: str
    tone: str
    owner: str
    taken: bool
    priority: Chip | None
    blocked: str
    part_of: str
    sync: Chip | None
    open: bool
    planned: bool


@dataclass(frozen=True, slots=True)
class GoalRow:
    """One goal; ``target`` and ``last`` are sentences or empty."""

    id: str
    title: str
    lifecycle: str
    achievement: Chip | None
    priority: str
    due: str
    target: str
    last: str
    sync: Chip | None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the team."""

    role: str
    name: str
    phone: str
    lead: bool
    until: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a small list: what, in short columns, and its sync chip."""

    id: str
    columns: tuple[str, ...]
    sync: Chip | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan itself."""

    id: str
    title: str
    status: str
    period: str
    lead: str
    categories: tuple[str, ...]
    sync: Chip | None


@dataclass(frozen=True, slots=True)
class CarePlanPage:
    """All that the template shows; ``sentence`` says what is most urgent, ``tone`` how urgent that is."""

    header: Header
    plan: Plan | None
    sentence: str
    tone: str
    more: str
    now: tuple[TaskRow, ...]
    planned: tuple[TaskRow, ...]
    done: tuple[TaskRow, ...]
    goals: tuple[GoalRow, ...]
    team: tuple[Member, ...]
    needs: tuple[Line, ...]
    contacts: tuple[Line, ...]
    findings: tuple[Line, ...]
    other_plans: tuple[Plan, ...]
    sync: Chip
    open_count: str
    as_of: str


def build(patient: Resource, world: World, plan_id: str = "") -> CarePlanPage:
    """The page of a patient; ``plan_id`` chooses a plan, else the active one that began last is shown."""
    plans = in_order(_of(world, "CarePlan"))
    chosen = next((item for item in plans if item["id"] == plan_id), plans[0] if plans and not plan_id else None)
    tasks = due.tasks_of(chosen["id"], world.known.values()) if chosen else _of(world, "Task")
    rows = _task_rows([item for item in tasks if due.is_work(item)], world)
    now = tuple(row for row in rows if row.open)
    sentence, tone, more = _sentence(now, world)
    shown = [chosen] if chosen else []
    goals = _goals(chosen, world)
    chips_shown = [row.sync for row in rows] + [row.sync for row in goals] + [_sync(item, world) for item in shown]
    return CarePlanPage(
        header=_header(patient, world),
        plan=_plan(chosen, world) if chosen else None,
        sentence=sentence,
        tone=tone,
        more=more,
        now=now,
        planned=tuple(row for row in rows if row.planned),
        done=tuple(row for row in rows if not row.open and not row.planned),
        goals=goals,
        team=_team(chosen, world),
        needs=_needs(chosen, world),
        contacts=_contacts(world),
        findings=_findings(world),
        other_plans=tuple(_plan(item, world) for item in plans if item is not chosen),
        sync=_overall_sync(chips_shown, world),
        open_count=world.words("n.tasks", n=len(now)),
        as_of=world.words("as_of", date=world.words.moment(world.now, world.now, world.zone)),
    )


def in_order(plans: Iterable[Resource]) -> list[Resource]:
    """Plans as a page offers them: active before held before draft before the rest, the one begun last first."""
    newest_first = sorted(plans, key=lambda item: str((item.get("period") or {}).get("start") or ""), reverse=True)
    return sorted(newest_first, key=lambda item: _PLAN_ORDER.get(str(item.get("status")), 3))


def _of(world: World, kind: str) -> list[Resource]:
    return [item for item in world.known.values() if item["resourceType"] == kind]


def _sync(resource: Resource, world: World) -> Chip | None:
    state = world.sync.get(f"{resource['resourceType']}/{resource['id']}")
    return chips.sync(state, world.ehr, world.words) if state else None


def _overall_sync(shown: list[Chip | None], world: World) -> Chip:
    states = [item for item in shown if item]
    if not states:
        return Chip("note", "neutral", world.words("sync.none"))
    behind = [item for item in states if item.icon != chips.SYNC["ok"][0]]
    if not behind:
        return Chip("check", "ok", world.words("sync.all_ok", ehr=world.ehr))
    return Chip("hourglass", "wait", world.words("sync.some", n=len(behind), ehr=world.ehr))


def _header(patient: Resource, world: World) -> Header:
    words, born = world.words, str(patient.get("birthDate") or "")
    years = people.age(born, world.now.astimezone(world.zone).date()) if born else None
    spoken: dict[str, Any] = next(
        (item for item in patient.get("communication") or () if item.get("preferred") is not False), {}
    )
    return Header(
        name=people.human_name(patient.get("name")) or str(patient.get("id")),
        age=words("head.age", n=years) if years is not None else "",
        born=words("head.born", date=_day(born, world)) if born else "",
        language=people.label(spoken.get("language")),
        phone=people.phone(patient),
    )


def _plan(plan: Resource, world: World) -> Plan:
    period = plan.get("period") or {}
    start, end = _day(period.get("start"), world), _day(period.get("end"), world)
    words = world.words
    status = str(plan.get("status") or "unknown")
    return Plan(
        id=plan["id"],
        title=str(plan.get("title") or plan["id"]),
        status=words(f"st.{status}") if words.has(f"st.{status}") else status,
        period=words("plan.period", start=start, end=end) if end else words("plan.since", date=start) if start else "",
        lead=people.refer(plan.get("author"), world.known),
        categories=tuple(text for item in plan.get("category") or () if (text := people.label(item))),
        sync=_sync(plan, world),
    )


def _day(text: Any, world: World) -> str:
    """A FHIR date as people write it, with its own precision; "" when there is none."""
    when = due.moment(text, world.zone)
    if not when or len(str(text)) < len("2026-03-02"):
        return str(text or "")
    return world.words.date(when.date(), world.now.astimezone(world.zone).date())


def _task_rows(tasks: Iterable[Resource], world: World) -> tuple[TaskRow, ...]:
    pairs = [(item, due.task_state(item, world.known, world.now, world.zone)) for item in tasks]
    pairs.sort(key=lambda pair: _urgency(*pair))
    return tuple(_task_row(task, state, world) for task, state in pairs)


def _urgency(task: Resource, state: TaskState) -> tuple[Any, ...]:
    return (
        not state.overdue,
        not (state.overdue and task.get("priority") in due.GRAVE),
        state.due.timestamp() if state.due else float("inf"),
        str(task["id"]),
    )


def _task_row(task: Resource, state: TaskState, world: World) -> TaskRow:
    words = world.words
    over = not state.open and not state.planned
    when = words("time.none")
    if state.due:
        when = words.moment(state.due, world.now, world.zone) if over else words.due(state.due, world.now, world.zone)
    holding = ", ".join(people.name_of(world.known.get(ref), world.known) or ref for ref in state.blocked_by)
    parent = next((people.refer(item, world.known) for item in task.get("partOf") or ()), "")
    title = people.name_of(task, world.known) or task["id"]
    description = str(task.get("description") or "")
    return TaskRow(
        id=task["id"],
        title=title,
        description=description if description != title else "",
        state=chips.task(str(task.get("status")), words),
        business_status=people.label(task.get("businessStatus")) or people.label(task.get("statusReason")),
        due=when,
        tone="overdue" if state.overdue else "soon" if state.due_soon else "",
        owner=people.refer(task.get("owner"), world.known) or (words("flag.unassigned") if state.unassigned else ""),
        taken=not state.unassigned,
        priority=chips.priority(str(task.get("priority") or ""), words),
        blocked=(words("flag.blocked_by", what=holding) if holding else words("flag.blocked")) if state.blocked else "",
        part_of=words("task.part_of", what=parent) if parent else "",
        sync=_sync(task, world),
        open=state.open,
        planned=state.planned,
    )


def _sentence(rows: tuple[TaskRow, ...], world: World) -> tuple[str, str, str]:
    """What is most urgent, how urgent, and how many more are."""
    words = world.words
    overdue = [row for row in rows if row.tone == "overdue"]
    if overdue:
        first = overdue[0]
        grave = first.priority is not None
        text = f"{first.title}: {first.due}." + (f" {first.business_status}." if first.business_status else "")
        rest = len(overdue) - 1
        return text, "danger" if grave else "warn", words("say.more", n=rest) if rest else ""
    soon = [row for row in rows if row.tone == "soon"]
    if soon:
        return f"{soon[0].title}: {soon[0].due}.", "warn", words("say.more", n=len(soon) - 1) if soon[1:] else ""
    free = [row for row in rows if not row.taken]
    if free:
        return (
            words("say.unassigned", what=free[0].title),
            "warn",
            words("say.more", n=len(free) - 1) if free[1:] else "",
        )
    waiting = [row for row in rows if row.blocked]
    if waiting:
        return words("say.blocked", n=len(waiting), what=waiting[0].title), "wait", ""
    return words("say.calm"), "ok", ""


def _goals(plan: Resource | None, world: World) -> tuple[GoalRow, ...]:
    named = {str(item.get("reference")) for item in (plan or {}).get("goal") or ()}
    goals = [
        item
        for item in _of(world, "Goal")
        if (f"Goal/{item['id']}" in named or not plan) and item.get("lifecycleStatus") != "entered-in-error"
    ]
    goals.sort(key=lambda item: (item.get("lifecycleStatus") != "active", _goal_due(item), item["id"]))
    return tuple(_goal_row(item, world) for item in goals)


def _goal_due(goal: Resource) -> str:
    return min((str(item["dueDate"]) for item in goal.get("target") or () if item.get("dueDate")), default="9999")


def _goal_row(goal: Resource, world: World) -> GoalRow:
    words = world.words
    lifecycle = str(goal.get("lifecycleStatus") or "")
    when = due.moment(_goal_due(goal), world.zone)
    open_ = lifecycle in ("proposed", "planned", "accepted", "active", "on-hold")
    priority = due.code(goal.get("priority"), GOAL_PRIORITY)
    return GoalRow(
        id=goal["id"],
        title=people.name_of(goal, world.known) or goal["id"],
        lifecycle=words(f"gl.{lifecycle}") if words.has(f"gl.{lifecycle}") else lifecycle,
        achievement=chips.achievement(due.code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT), words),
        priority=words(f"gp.{priority}") if words.has(f"gp.{priority}") else "",
        due=words.due(when, world.now, world.zone) if when and open_ and when.year < 9999 else "",
        target=_target(goal, words),
        last=_last_reading(goal, world),
        sync=_sync(goal, world),
    )


def _target(goal: Resource, words: Words) -> str:
    said = []
    for item in goal.get("target") or ():
        span = item.get("detailRange") or {}
        low, high = people.quantity(span.get("low")), people.quantity(span.get("high"))
        value = (
            people.quantity(item.get("detailQuantity"))
            or " to ".join(part for part in (low, high) if part)
            or people.label(item.get("detailCodeableConcept"))
            or str(item.get("detailString") or "")
        )
        measure = people.label(item.get("measure"))
        said.append(" ".join(part for part in (measure, value) if part))
    return words("goal.target", what="; ".join(text for text in said if text)) if any(said) else ""


def _last_reading(goal: Resource, world: World) -> str:
    """The newest numeric observation whose code is a target's measure."""
    measures = {
        (coding.get("system"), coding.get("code"))
        for item in goal.get("target") or ()
        for coding in (item.get("measure") or {}).get("coding") or ()
    }
    readings = [
        (when, item)
        for item in _of(world, "Observation")
        if item.get("valueQuantity")
        and any((coding.get("system"), coding.get("code")) in measures for coding in _codings(item))
        and (when := due.moment(item.get("effectiveDateTime"), world.zone))
    ]
    if not readings:
        return ""
    when, newest = max(readings, key=lambda pair: pair[0])
    return world.words(
        "goal.last",
        value=people.quantity(newest["valueQuantity"]),
        date=world.words.moment(when, world.now, world.zone),
    )


def _codings(resource: Resource) -> list[dict[str, Any]]:
    return [item for item in (resource.get("code") or {}).get("coding") or () if isinstance(item, dict)]


def _team(plan: Resource | None, world: World) -> tuple[Member, ...]:
    named = {str(item.get("reference")) for item in (plan or {}).get("careTeam") or ()}
    teams = [item for item in _of(world, "CareTeam") if f"CareTeam/{item['id']}" in named or not plan]
    members = [_member(item, world) for team in teams for item in team.get("participant") or ()]
    return tuple(sorted(members, key=lambda item: (bool(item.until), not item.lead)))


def _member(participant: dict[str, Any], world: World) -> Member:
    role = next(iter(participant.get("role") or ()), None)
    member = participant.get("member")
    target = world.known.get(str((member or {}).get("reference") or ""))
    person = world.known.get(str(((target or {}).get("practitioner") or {}).get("reference") or ""))
    end = due.moment((participant.get("period") or {}).get("end"), world.zone)
    return Member(
        role=people.label(role),
        name=people.refer(member, world.known),
        phone=people.phone(target) or people.phone(person),
        lead=due.code(role, CARE_TEAM_ROLE) == "case-manager",
        until=world.words("team.until", date=world.words.moment(end, world.now, world.zone)) if end else "",
    )


def _needs(plan: Resource | None, world: World) -> tuple[Line, ...]:
    named = {str(item.get("reference")) for item in (plan or {}).get("addresses") or ()}
    return tuple(
        Line(item["id"], (people.label(item.get("code")), _need_kind(item)), _sync(item, world))
        for item in _of(world, "Condition")
        if f"Condition/{item['id']}" in named or not plan
    )


def _need_kind(condition: Resource) -> str:
    for item in condition.get("category") or ():
        if due.code(item, NEED_TYPE):
            return people.label(item)
    return ""


def _contacts(world: World) -> tuple[Line, ...]:
    rows = []
    for item in _of(world, "Communication"):
        when = due.moment(item.get("sent") or item.get("received"), world.zone)
        outcome = next(
            (
                people.label(entry.get("valueCodeableConcept"))
                for entry in item.get("extension") or ()
                if entry.get("url") == CONTACT_OUTCOME
            ),
            "",
        )
        medium = next((people.label(entry) for entry in item.get("medium") or ()), "")
        about = people.label(item.get("topic")) or next(
            (people.label(entry) for entry in item.get("reasonCode") or ()), ""
        )
        text = world.words.moment(when, world.now, world.zone) if when else ""
        rows.append(
            (when.timestamp() if when else 0.0, Line(item["id"], (text, medium, outcome, about), _sync(item, world)))
        )
    rows.sort(key=lambda row: -row[0])
    return tuple(line for _, line in rows)


def _findings(world: World) -> tuple[Line, ...]:
    """What the checks found in the EHR's copies, errors first; notes that ask for nothing are left out."""
    rows = [
        (not issue.is_error, ref, Line(ref, (people.name_of(world.known[ref], world.known) or ref, issue.text), None))
        for ref, issues in world.findings.items()
        for issue in issues
        if issue.severity != "information"
    ]
    rows.sort(key=lambda row: row[:2])
    return tuple(line for _, _, line in rows)
