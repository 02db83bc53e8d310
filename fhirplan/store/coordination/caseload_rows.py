"""What a list of plans and their work is asked for, and its rows, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

State = Literal["open", "overdue", "due-soon", "blocked", "unassigned", "planned"]
"""What a task may be; the same words as in the coordination List."""
Only = Literal[State, "unacknowledged", "contact-due", "off-track", "critical", "attention", "on-track"]
"""What a plan may be asked to have: a task in a state, changes to acknowledge, or how it stands overall."""
Order = Literal["need", "due", "name", "contact"]
"""What comes first: the plan that stands worst, then what is due; what is due; a name; or a contact that is due."""
WORST_FIRST: Final = ("critical", "attention", "on-track")
"""How a plan may stand overall."""
SOON: Final = 48 * 3_600_000
"""How far ahead a due time is soon, in milliseconds."""
MOST_OWNERS: Final = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plans are asked for; an empty field asks for nothing.

    ``mine`` are references such as ``PractitionerRole/lead`` of one person: plans that one of them leads, or has an
    open or planned task of. At most MOST_OWNERS count. ``program``, ``setting``, ``acuity`` and ``stage`` are codes,
    ``status`` is the plan's. ``only`` must all hold. ``name`` is part of a patient's name. Nothing is listed or
    counted of the patients ``without`` (ids).
    """

    mine: tuple[str, ...] = ()
    program: str = ""
    setting: str = ""
    acuity: str = ""
    stage: str = ""
    status: str = ""
    only: frozenset[Only] = frozenset()
    name: str = ""
    without: tuple[str, ...] = ()


EVERYTHING: Final = Wanted()


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One plan in a list. ``plan`` and ``patient`` are ids, ``lead`` is ``Type/id``; times are milliseconds or None.

    ``due`` is the earliest due time of an open task, overdue or not; ``overall`` is critical, attention or on-track.
    ``name`` is the patient's, family name first; ``programs`` and ``settings`` are codes.
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
    overall: str
    due: int | None
    open: int
    overdue: int
    due_soon: int
    blocked: int
    unassigned: int
    planned: int
    unacknowledged: int
    referrals: int
    goals_achieved: int
    last_contact: int | None
    contact_due: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many plans there are among those asked for, how many of each kind, and their tasks in each state.

    ``unacknowledged`` counts changes, ``contact_due``, ``off_track``, ``critical`` and ``attention`` count plans.
    """

    plans: int = 0
    open: int = 0
    overdue: int = 0
    due_soon: int = 0
    blocked: int = 0
    unassigned: int = 0
    planned: int = 0
    unacknowledged: int = 0
    contact_due: int = 0
    off_track: int = 0
    critical: int = 0
    attention: int = 0


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One open or planned task in a list; ids, ``owner`` as ``Type/id`` or "", ``due`` in milliseconds or None."""

    task: str
    plan: str
    patient: str
    name: str
    title: str
    type: str
    status: str
    priority: str
    owner: str
    due: int | None
    overdue: bool
    due_soon: bool
    blocked: bool
    unassigned: bool
    planned: bool
