"""Holds the state machines as tables: which status may follow which (case-management guide, sections 3.1 to 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

# L: in FHIR's own diagram; A: added on the strength of its notes; w: accepted with a warning that a step was left out.
Step = Literal["L", "A", "w"]
Table = Mapping[str, Mapping[str, Step]]
_STEPS: Final[Mapping[str, Step]] = {"L": "L", "A": "A", "w": "w"}


@dataclass(frozen=True, slots=True)
class Machine:
    """The moves of one resource type: the element that holds its state, the key of its rule, and the table.

    ``initial`` are the states a resource may be created in; empty means any. ``instead`` says what to do when a
    move is refused because the state is an end. ``who`` says who makes
    the move to a state, and under "" to any that it does not name (guide section 4.2: the owner has the state of a
    task, and the requester may cancel it). Of a Task ``makers`` holds a person to it, and never an EHR or a program,
    which write on behalf of others.
    """

    element: str
    rule: str
    table: Table
    initial: frozenset[str] = frozenset()
    instead: str = ""
    who: Mapping[str, str] = field(default_factory=dict)

    def maker(self, state: str) -> str:
        """Who makes the move to a state, in words."""
        return self.who.get(state) or self.who[""]


def _table(head: str, rows: str) -> Table:
    """The table of a header of states and rows of marks, ``.`` for a move that is refused and ``=`` for no move."""
    to = head.split()
    made: dict[str, dict[str, Step]] = {}
    for row in rows.strip().splitlines():
        name, *marks = row.split()
        steps: dict[str, Step] = {}
        for state, mark in zip(to, marks, strict=True):
            if mark in _STEPS:
                steps[state] = _STEPS[mark]
        made[name] = steps
    return made


_TASK: Final = _table(
    "draft requested received accepted ready in-progress on-hold completed failed rejected cancelled entered-in-error",
    """
    draft             =  L  w  w  L  w  .  w  .  .  L  A
    requested         .  =  L  L  w  w  A  w  w  L  L  A
    received          .  .  =  L  .  w  A  w  w  L  L  A
    accepted          .  .  .  =  w  L  A  w  w  .  L  A
    ready             .  w  .  w  =  L  A  w  w  .  L  A
    in-progress       .  .  .  .  A  =  L  L  L  .  A  A
    on-hold           .  A  A  A  A  L  =  w  w  .  A  A
    completed         .  .  .  .  .  w  .  =  .  .  .  A
    failed            .  .  .  .  .  w  .  .  =  .  .  A
    rejected          .  .  .  .  .  .  .  .  .  =  L  A
    cancelled         .  .  .  .  .  .  .  .  .  .  =  A
    entered-in-error  .  .  .  .  .  .  .  .  .  .  .  =
    """,
)
_CARE_PLAN: Final = _table(
    "draft active on-hold completed revoked unknown entered-in-error",
    """
    draft             =  L  .  .  A  .  L
    active            .  =  L  L  L  w  L
    on-hold           .  L  =  w  A  .  L
    completed         .  .  .  =  .  .  L
    revoked           .  .  .  .  =  .  L
    unknown           .  w  w  w  w  =  A
    entered-in-error  .  .  .  .  .  .  =
    """,
)
_GOAL: Final = _table(
    "proposed planned accepted active on-hold completed cancelled rejected entered-in-error",
    """
    proposed          =  L  L  w  .  .  L  L  L
    planned           .  =  L  L  L  .  L  .  L
    accepted          .  L  =  L  L  .  L  w  L
    active            .  .  .  =  L  L  L  .  L
    on-hold           .  w  .  L  =  w  L  .  L
    completed         .  .  .  w  .  =  .  .  L
    cancelled         .  .  .  .  .  .  =  .  L
    rejected          w  .  .  .  .  .  .  =  L
    entered-in-error  .  .  .  .  .  .  .  .  =
    """,
)
_CARE_TEAM: Final = _table(
    "proposed active suspended inactive entered-in-error",
    """
    proposed          =  L  .  L  L
    active            .  =  L  L  L
    suspended         .  L  =  L  L
    inactive          .  w  .  =  L
    entered-in-error  .  .  .  .  =
    """,
)
_SERVICE_REQUEST: Final[Table] = {
    state: {to: step for to, step in steps.items() if to != "unknown"}
    for state, steps in _CARE_PLAN.items()
    if state != "unknown"
}
_COMMUNICATION: Final = _table(
    "preparation in-progress not-done on-hold stopped completed entered-in-error",
    """
    preparation       =  L  L  .  .  .  L
    in-progress       .  =  L  L  L  L  L
    not-done          .  .  =  .  .  .  L
    on-hold           .  L  .  =  L  .  L
    stopped           .  .  .  .  =  .  L
    completed         .  .  .  .  .  =  L
    entered-in-error  .  .  .  .  .  .  =
    """,
)
_FLAG: Final = _table(
    "active inactive entered-in-error",
    """
    active            =  L  L
    inactive          .  =  .
    entered-in-error  .  .  =
    """,
)
_LIST: Final = _table(
    "current retired entered-in-error",
    """
    current           =  L  .
    retired           .  =  .
    entered-in-error  .  .  =
    """,
)

_LEAD: Final = {"": "the lead case manager", "entered-in-error": "whoever wrote it"}
_TASK_WHO: Final = {
    "": "the owner",
    "draft": "the requester",
    "requested": "the requester",
    "ready": "the requester or the owner",
    "cancelled": "the requester or the owner",
    "entered-in-error": "whoever wrote it",
}

MACHINES: Final[Mapping[str, Machine]] = {
    "Task": Machine(
        "status",
        "cm-sm-task",
        _TASK,
        frozenset({"draft", "requested", "ready", "accepted", "in-progress", "completed"}),
        "To repeat the work, make a new Task with the task-replaces extension.",
        _TASK_WHO,
    ),
    "CarePlan": Machine(
        "status", "cm-sm-careplan", _CARE_PLAN, instead="Make a new CarePlan that replaces this one.", who=_LEAD
    ),
    "Goal": Machine(
        "lifecycleStatus",
        "cm-sm-goal",
        _GOAL,
        instead="Make a new Goal.",
        who={
            **_LEAD,
            "": "the lead case manager with the patient",
            "rejected": "the patient",
            "accepted": "the patient",
        },
    ),
    "CareTeam": Machine("status", "cm-sm-careteam", _CARE_TEAM, instead="Make a new CareTeam.", who=_LEAD),
    "ServiceRequest": Machine(
        "status",
        "cm-sm-servicerequest",
        _SERVICE_REQUEST,
        instead="Make a new ServiceRequest that replaces this one.",
        who={"": "the requester", "completed": "the performer or the requester"},
    ),
    "Communication": Machine(
        "status",
        "cm-sm-communication",
        _COMMUNICATION,
        instead="Document a new attempt as a new Communication.",
        who={"": "the sender"},
    ),
    "Flag": Machine("status", "cm-sm-flag", _FLAG, instead="A new occurrence is a new Flag.", who={"": "the author"}),
    "List": Machine("status", "cm-sm-list", _LIST, instead="Make a new List.", who={"": "the source"}),
}

# What achievementStatus may be while a goal's lifecycle is so; None in a set allows that there is none. A lifecycle
# that is not named here allows anything.
ACHIEVEMENT: Final[Mapping[str, frozenset[str | None]]] = {
    "proposed": frozenset({None}),
    "planned": frozenset({None}),
    "rejected": frozenset({None}),
    "completed": frozenset({"achieved", "sustaining", "not-achieved", "no-progress", "not-attainable"}),
    "cancelled": frozenset({None, "not-achieved", "not-attainable"}),
}
