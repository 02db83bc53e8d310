"""The tasks of a plan as rows: what, when, who, how it stands, and which moves are open to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from fhirplan.chart import chips, people
from fhirplan.chart.chips import Chip
from fhirplan.chart.words import Words
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.due import TaskState
from fhirplan.coordination.elements import code, target
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.vocabulary import INTERACTIVE, TASK_TYPE, TERMINAL
from fhirplan.fhir.codec import Resource

CONTACT_TYPES: Final = frozenset({"post-discharge-call", "contact-patient", "contact-caregiver", "contact-provider"})
# Moves that a button does at once; the others ask for a reason or an outcome first.
_PLAIN: Final = {"received": "do.receive", "accepted": "do.accept", "ready": "do.ready", "in-progress": "do.start"}
_COLUMNS: Final = ("start", "doing", "wait", "done")


@dataclass(frozen=True, slots=True)
class Move:
    """One move that the state machine allows: to which status, its words, and whether a step is left out by it."""

    to: str
    text: str
    skips: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task; ``tone`` is overdue, soon or empty, and ``due`` its words. ``version`` is what an edit names."""

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
    version: str = ""
    status: str = ""
    column: str = ""
    kind: str = ""
    is_contact: bool = False
    tries: str = ""
    mine: bool = False
    restricted: bool = False
    grave: bool = False
    closed: str = ""
    moves: tuple[Move, ...] = field(default=())


def rows(tasks: Iterable[Resource], world: World, states: Mapping[str, TaskState] | None = None) -> tuple[TaskRow, ...]:
    """A row for each task, the most urgent first; ``states`` are those that are known already, by id."""
    known = states or {}
    pairs = [
        (item, known.get(item["id"]) or due.task_state(item, world.known, world.now, world.zone)) for item in tasks
    ]
    pairs.sort(key=lambda pair: _urgency(*pair))
    return tuple(row(task, state, world) for task, state in pairs)


def _urgency(task: Resource, state: TaskState) -> tuple[Any, ...]:
    return (
        not state.overdue,
        not (state.overdue and task.get("priority") in due.GRAVE),
        state.due.timestamp() if state.due else float("inf"),
        str(task["id"]),
    )


def row(task: Resource, state: TaskState, world: World) -> TaskRow:
    """The row of one task."""
    words = world.words
    title = people.name_of(task, world.known, world.words) or task["id"]
    description = people.text_of(task, "description", words)
    owner = people.refer(task.get("owner"), world.known, world.words)
    status = str(task.get("status") or "")
    kind = code(task.get("code"), TASK_TYPE)
    return TaskRow(
        id=task["id"],
        title=title,
        description=description if description != title else "",
        state=chips.task(status, words),
        business_status=people.label(task.get("businessStatus"), words)
        or people.label(task.get("statusReason"), words),
        due=_due(state, world),
        tone="overdue" if state.overdue else "soon" if state.due_soon else "",
        owner=owner or (words("flag.unassigned") if state.unassigned else ""),
        taken=not state.unassigned,
        priority=chips.priority(str(task.get("priority") or ""), words),
        blocked=_blocked(state, world),
        part_of=_part_of(task, world),
        sync=world.standing(task),
        open=state.open,
        planned=state.planned,
        version=str((task.get("meta") or {}).get("versionId") or ""),
        status=status,
        column=column(status, state),
        kind=kind,
        is_contact=kind in CONTACT_TYPES,
        tries=_tries(task, world) if state.open else "",
        mine=bool(world.me) and target(task.get("owner")) == world.me,
        restricted=people.restricted(task),
        grave=task.get("priority") in due.GRAVE,
        closed="" if state.open or state.planned else world.moment((task.get("executionPeriod") or {}).get("end")),
        moves=moves(status, world.words),
    )


def column(status: str, state: TaskState) -> str:
    """The column of the board, the first that fits (chart design, wireframe C)."""
    if status in TERMINAL:
        return "done"
    if status == "draft":
        return "planned"
    return "wait" if state.blocked else "doing" if status == "in-progress" else "start"


@lru_cache(maxsize=64)
def moves(status: str, words: Words) -> tuple[Move, ...]:
    """The moves out of a status that the state machine has, those without a warning first; none to a mistake."""
    steps = MACHINES["Task"].table.get(status, {})
    made = [
        Move(to, words(_PLAIN[to]) if to in _PLAIN else words(f"do.{to}"), step == "w", to not in _PLAIN)
        for to, step in steps.items()
        if to not in ("entered-in-error", "draft", "requested")
    ]
    return tuple(sorted(made, key=lambda item: item.skips))


def _due(state: TaskState, world: World) -> str:
    if not state.due:
        return world.words("time.none")
    if not state.open and not state.planned:
        return world.words.moment(state.due, world.now, world.zone)
    return world.words.due(state.due, world.now, world.zone)


def _blocked(state: TaskState, world: World) -> str:
    if not state.blocked:
        return ""
    holding = ", ".join(
        people.name_of(world.known.get(ref), world.known, world.words) or world.words("missing.item")
        for ref in state.blocked_by
    )
    return world.words("flag.blocked_by", what=holding) if holding else world.words("flag.blocked")


def _part_of(task: Resource, world: World) -> str:
    parent = next((people.refer(item, world.known, world.words) for item in task.get("partOf") or ()), "")
    return world.words("task.part_of", what=parent) if parent else ""


def _tries(task: Resource, world: World) -> str:
    """How often the person was tried since the last time they were reached, in words; "" for never."""
    about = list(world.memory.points("Communication", "basedOn", f"Task/{task['id']}"))
    if not about:
        return ""
    about.sort(key=lambda item: str(item.get("sent") or item.get("received") or ""), reverse=True)
    count = 0
    for item in about:
        outcome = people.contact_outcome(item)
        if outcome in INTERACTIVE:
            break
        count += bool(outcome)
    return world.words("n.tries", n=count) if count else ""


def board(all_rows: Iterable[TaskRow]) -> dict[str, list[TaskRow]]:
    """The rows by column, in the order of the columns."""
    made: dict[str, list[TaskRow]] = {name: [] for name in _COLUMNS}
    for item in all_rows:
        if item.column in made:
            made[item.column].append(item)
    return made
