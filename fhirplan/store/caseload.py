"""Lists plans and their open work by what is due, filtered and counted in SQL at any moment.

The rows are written by the projection (``store.projection``). What only the clock changes is computed here from the
moments they hold, with the moment as an argument, so that a list says the same as ``coordination.state`` would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Function, Select, Subquery, and_, bindparam, case, func, or_, select

from fhirplan.search.values import folded
from fhirplan.store.engine import Row, Statement, Transaction, statement
from fhirplan.store.tables import caseload, caseload_work

State = Literal["open", "overdue", "due-soon", "blocked", "unassigned", "planned"]
"""What a task may be; the same words as in the coordination List."""
Only = Literal[State, "unacknowledged", "contact-due", "off-track", "critical", "attention", "on-track"]
"""What a plan may be asked to have: a task in a state, changes to acknowledge, or how it stands overall."""
Order = Literal["due", "name", "contact"]
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


def page(
    tx: Transaction,
    connection: str,
    wanted: Wanted,
    now: int,
    *,
    count: int,
    start: int = 0,
    order: Order = "due",
) -> list[CaseRow]:
    """The plans that are asked for, ``count`` of them from the ``start``-th on: what is due first comes first.

    Plans without anything due come last. ``now`` is in milliseconds since 1970.
    """
    run = _page(_shape(wanted), order)
    return [_case(row) for row in tx.all(run, **_given(connection, wanted, now), count=count, start=start)]


def counted_page(
    tx: Transaction,
    connection: str,
    wanted: Wanted,
    now: int,
    *,
    count: int,
    start: int = 0,
    order: Order = "due",
) -> tuple[list[CaseRow], Counts]:
    """``page`` and ``counts`` at once, in the time of one: every task of every plan is looked at for either."""
    run = _counted_page(_shape(wanted), order)
    rows = tx.all(run, **_given(connection, wanted, now), count=count, start=start)
    if not rows:
        return [], counts(tx, connection, wanted, now) if start else Counts()
    return [_case(row[:_WIDTH]) for row in rows], _counts_of(rows[0][_WIDTH:])


def counts(tx: Transaction, connection: str, wanted: Wanted, now: int) -> Counts:
    """How many plans are asked for, and of what they have."""
    row = tx.one(_counts(_shape(wanted)), **_given(connection, wanted, now))
    return _counts_of(row) if row is not None else Counts()


def tasks(
    tx: Transaction,
    connection: str,
    wanted: Wanted,
    now: int,
    *,
    state: State = "open",
    owner: str = "",
    count: int,
    start: int = 0,
) -> list[TaskRow]:
    """The tasks in a state of the plans that are asked for, what is due first comes first.

    With ``owner`` (``Type/id``) only that one's. A task that belongs to two plans is listed with each.
    """
    run = _tasks(_shape(wanted), state, bool(owner))
    given = _given(connection, wanted, now) | ({"owner": owner} if owner else {})
    return [_task(row) for row in tx.all(run, **given, count=count, start=start)]


def offered(tx: Transaction, connection: str, without: tuple[str, ...] = ()) -> Mapping[str, Mapping[str, int]]:
    """What can be filtered by: for program, setting, acuity, stage and status each value and how many plans have it.

    The plans of the patients ``without`` are not counted.
    """
    found: dict[str, dict[str, int]] = {name: {} for name in ("program", "setting", "acuity", "stage", "status")}
    rows = tx.all(_offered(_room(without)), connection=connection, **_left_out(without))
    for programs, settings, acuity, stage, status, number in rows:
        values = {"acuity": (acuity,), "stage": (stage,), "status": (status,)}
        values |= {"program": tuple(programs.split()), "setting": tuple(settings.split())}
        for name, held in values.items():
            for value in filter(None, held):
                found[name][value] = found[name].get(value, 0) + int(number)
    return {name: dict(sorted(held.items())) for name, held in found.items()}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides the text of a statement: which filters there are, without their values."""

    filters: tuple[str, ...]
    mine: int
    only: tuple[Only, ...]
    without: int = 0


def _shape(wanted: Wanted) -> _Shape:
    named = tuple(item for item in _FILTERS if getattr(wanted, item))
    return _Shape(named, min(len(wanted.mine), MOST_OWNERS), tuple(sorted(wanted.only)), _room(wanted.without))


def _given(connection: str, wanted: Wanted, now: int) -> dict[str, Any]:
    given: dict[str, Any] = {"connection": connection, "now": now, "soon": now + SOON}
    for item in _FILTERS:
        value = getattr(wanted, item)
        if value and item in ("program", "setting"):
            given[item] = f"% {_literal(value)} %"
        elif value:
            given[item] = f"%{_literal(folded(value))}%" if item == "name" else value
    given |= _left_out(wanted.without)
    return given | {f"mine{place}": ref for place, ref in enumerate(wanted.mine[:MOST_OWNERS])}


def _room(without: tuple[str, ...]) -> int:
    """How many places a statement has for patients to leave out: few sizes, so that few statements are compiled."""
    return 1 << (len(without) - 1).bit_length() if without else 0


def _left_out(without: tuple[str, ...]) -> dict[str, str]:
    filled = [*without, *([without[-1]] * (_room(without) - len(without)))] if without else []
    return {f"without{place}": patient for place, patient in enumerate(filled)}


def _others(room: int) -> list[ColumnElement[bool]]:
    places: list[ColumnElement[str]] = [bindparam(f"without{place}") for place in range(room)]
    return [caseload.c.patient.not_in(places)] if room else []


def _literal(text: str) -> str:
    """The text as LIKE takes it for itself."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


_FILTERS: Final = ("program", "setting", "acuity", "stage", "status", "name")
_HERE: Final = caseload.c.connection == bindparam("connection")
_OPEN: Final = caseload_work.c.planned == 0
_LATE: Final = and_(_OPEN, caseload_work.c.due < bindparam("now"))
_IN_STATE: Final[Mapping[State, ColumnElement[bool]]] = {
    "open": _OPEN,
    "overdue": _LATE,
    "due-soon": and_(_OPEN, caseload_work.c.due >= bindparam("now"), caseload_work.c.due <= bindparam("soon")),
    "blocked": and_(_OPEN, caseload_work.c.blocked == 1),
    "unassigned": and_(_OPEN, caseload_work.c.unassigned == 1),
    "planned": caseload_work.c.planned == 1,
}


def _number(holds: ColumnElement[bool]) -> Function[int]:
    return func.sum(case((holds, 1), else_=0))


def _name_of(state: str) -> str:
    return state.replace("-", "_")


def _work() -> Subquery:
    """Each plan's tasks, counted by state; they stand together in the order of plans."""
    return (
        select(
            caseload_work.c.plan,
            *(_number(holds).label(_name_of(state)) for state, holds in _IN_STATE.items()),
            _number(and_(_LATE, caseload_work.c.grave == 1)).label("grave_overdue"),
            func.min(case((_OPEN, caseload_work.c.due))).label("due"),
        )
        .where(caseload_work.c.connection == bindparam("connection"))
        .group_by(caseload_work.c.plan)
        .subquery("work")
    )


def _kinds(work: Subquery) -> dict[str, ColumnElement[bool]]:
    """What each value of Only asks of a plan and its counted tasks."""
    made: dict[str, ColumnElement[bool]] = {state: work.c[_name_of(state)] > 0 for state in _IN_STATE}
    made["unacknowledged"] = caseload.c.changes > 0
    made["contact-due"] = caseload.c.contact_due < bindparam("now")
    made["off-track"] = caseload.c.off_from <= bindparam("now")
    overall = _overall(work)
    return made | {name: overall == name for name in ("critical", "attention", "on-track")}


def _overall(work: Subquery) -> ColumnElement[str]:
    """Guide section 4.5, of a plan and its counted tasks."""
    critical = or_(
        caseload.c.stage == "readmitted", work.c.grave_overdue > 0, caseload.c.high_off_from <= bindparam("now")
    )
    attention = or_(
        *(work.c[name] > 0 for name in ("overdue", "blocked", "unassigned")),
        caseload.c.changes > 0,
        caseload.c.at_risk == 1,
        caseload.c.off_from <= bindparam("now"),
        caseload.c.contact_due < bindparam("now"),
    )
    return case((critical, "critical"), (attention, "attention"), else_="on-track")


def _filters(shape: _Shape, work: Subquery | None = None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_HERE, *_others(shape.without)]
    for item in shape.filters:
        if item in ("program", "setting"):
            found.append(caseload.c[f"{item}s"].like(bindparam(item), escape="!"))
        elif item == "name":
            found.append(caseload.c.sought.like(bindparam("name"), escape="!"))
        else:
            found.append(caseload.c[item] == bindparam(item))
    if shape.mine:
        refs: list[ColumnElement[str]] = [bindparam(f"mine{place}") for place in range(shape.mine)]
        owned = select(caseload_work.c.plan).where(
            caseload_work.c.connection == bindparam("connection"),
            or_(*(caseload_work.c.owner == ref for ref in refs)),
        )
        found.append(or_(*(caseload.c.lead == ref for ref in refs), caseload.c.plan.in_(owned)))
    if shape.only:
        kinds = _kinds(work if work is not None else _work())
        found.extend(kinds[item] for item in shape.only)
    return found


def _joined(work: Subquery, *columns: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(*columns).select_from(caseload.outerjoin(work, work.c.plan == caseload.c.plan))


_PLAN: Final = tuple(item.name for item in fields(CaseRow))[:12]
_COUNTED: Final = ("open", "overdue", "due_soon", "blocked", "unassigned", "planned")


_WIDTH: Final = len(fields(CaseRow))


def _case_columns(work: Subquery) -> tuple[ColumnElement[Any], ...]:
    """The columns of a CaseRow, in its order."""
    return (
        *(caseload.c[name] for name in _PLAN),
        _overall(work),
        work.c.due,
        *(work.c[name] for name in _COUNTED),
        caseload.c.changes,
        caseload.c.referrals,
        caseload.c.goals_achieved,
        caseload.c.last_contact,
        caseload.c.contact_due,
    )


def _count_columns(work: Subquery) -> tuple[Function[Any], ...]:
    """The columns of Counts, in its order: over all rows, or over a window."""
    kinds = _kinds(work)
    return (
        func.count(),
        *(func.sum(func.coalesce(work.c[name], 0)) for name in _COUNTED),
        func.sum(caseload.c.changes),
        *(_number(kinds[name]) for name in ("contact-due", "off-track", "critical", "attention")),
    )


@lru_cache(maxsize=256)
def _page(shape: _Shape, order: Order) -> Statement:
    work = _work()
    return _ordered(_joined(work, *_case_columns(work)), shape, work, order)


@lru_cache(maxsize=256)
def _counted_page(shape: _Shape, order: Order) -> Statement:
    work = _work()
    counted = (item.over() for item in _count_columns(work))
    return _ordered(_joined(work, *_case_columns(work), *counted), shape, work, order)


def _ordered(made: Select[*tuple[Any, ...]], shape: _Shape, work: Subquery, order: Order) -> Statement:
    by: dict[Order, tuple[ColumnElement[Any], ...]] = {
        "due": (work.c.due.is_(None), work.c.due),
        "name": (caseload.c.name == "", caseload.c.sought),
        "contact": (caseload.c.contact_due.is_(None), caseload.c.contact_due),
    }
    made = made.where(*_filters(shape, work)).order_by(*by[order], caseload.c.plan)
    return statement(made.limit(bindparam("count")).offset(bindparam("start")))


@lru_cache(maxsize=256)
def _counts(shape: _Shape) -> Statement:
    work = _work()
    return statement(_joined(work, *_count_columns(work)).where(*_filters(shape, work)))


@lru_cache(maxsize=256)
def _tasks(shape: _Shape, state: State, owned: bool) -> Statement:
    on = and_(caseload_work.c.connection == caseload.c.connection, caseload_work.c.plan == caseload.c.plan)
    start = caseload.join(caseload_work, on)
    work = _work() if shape.only else None
    if work is not None:
        start = start.outerjoin(work, work.c.plan == caseload.c.plan)
    late, soon = (case((_IN_STATE[name], 1), else_=0) for name in ("overdue", "due-soon"))
    columns = (
        caseload_work.c.task,
        caseload.c.plan,
        caseload.c.patient,
        caseload.c.name,
        *(caseload_work.c[name] for name in ("title", "type", "status", "priority", "owner", "due")),
        late,
        soon,
        *(caseload_work.c[name] for name in ("blocked", "unassigned", "planned")),
    )
    made = select(*columns).select_from(start).where(*_filters(shape, work), _IN_STATE[state])
    if owned:
        made = made.where(caseload_work.c.owner == bindparam("owner"))
    made = made.order_by(caseload_work.c.due.is_(None), caseload_work.c.due, caseload_work.c.task, caseload.c.plan)
    return statement(made.limit(bindparam("count")).offset(bindparam("start")))


@lru_cache(maxsize=16)
def _offered(room: int) -> Statement:
    by = [caseload.c[name] for name in ("programs", "settings", "acuity", "stage", "status")]
    return statement(select(*by, func.count()).where(_HERE, *_others(room)).group_by(*by))


def _counts_of(row: Row) -> Counts:
    return Counts(*(int(value or 0) for value in row))


def _case(row: Row) -> CaseRow:
    values = dict(zip((item.name for item in fields(CaseRow)), row, strict=True))
    for name in ("programs", "settings"):
        values[name] = tuple(values[name].split())
    for name in _COUNTED:
        values[name] = int(values[name] or 0)
    return CaseRow(**values)


def _task(row: Row) -> TaskRow:
    return TaskRow(*row[:10], *(bool(value) for value in row[10:]))
