"""The statements of the lists of plans and their work, compiled once for each shape of what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Function, Select, Subquery, and_, bindparam, case, func, or_, select

from fhirplan.search.values import folded
from fhirplan.store.coordination.caseload_rows import (
    MOST_OWNERS,
    SOON,
    WORST_FIRST,
    CaseRow,
    Only,
    Order,
    State,
    Wanted,
)
from fhirplan.store.engine import Statement, statement
from fhirplan.store.tables import caseload, caseload_work


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of a statement: which filters there are, without their values."""

    filters: tuple[str, ...]
    mine: int
    only: tuple[Only, ...]
    without: int = 0


def shape_of(wanted: Wanted) -> Shape:
    """What of the question decides the text of its statement."""
    named = tuple(item for item in _FILTERS if getattr(wanted, item))
    return Shape(named, min(len(wanted.mine), MOST_OWNERS), tuple(sorted(wanted.only)), room(wanted.without))


def given(connection: str, wanted: Wanted, now: int) -> dict[str, Any]:
    """The values that a statement of that shape takes; ``now`` is in milliseconds since 1970."""
    made: dict[str, Any] = {"connection": connection, "now": now, "soon": now + SOON}
    for item in _FILTERS:
        value = getattr(wanted, item)
        if value and item in ("program", "setting"):
            made[item] = f"% {_literal(value)} %"
        elif value:
            made[item] = f"%{_literal(folded(value))}%" if item == "name" else value
    made |= left_out(wanted.without)
    return made | {f"mine{place}": ref for place, ref in enumerate(wanted.mine[:MOST_OWNERS])}


def room(without: tuple[str, ...]) -> int:
    """How many places a statement has for patients to leave out: few sizes, so that few statements are compiled."""
    return 1 << (len(without) - 1).bit_length() if without else 0


def left_out(without: tuple[str, ...]) -> dict[str, str]:
    """The patients to leave out, as values that fill every place for them."""
    filled = [*without, *([without[-1]] * (room(without) - len(without)))] if without else []
    return {f"without{place}": patient for place, patient in enumerate(filled)}


def _others(places: int) -> list[ColumnElement[bool]]:
    left: list[ColumnElement[str]] = [bindparam(f"without{place}") for place in range(places)]
    return [caseload.c.patient.not_in(left)] if places else []


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


def _filters(shape: Shape, work: Subquery | None = None) -> list[ColumnElement[bool]]:
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


# How a plan stands overall, the worst first.
_RANKS: Final[dict[Any, int]] = {name: rank for rank, name in enumerate(WORST_FIRST)}
_PLAN: Final = tuple(item.name for item in fields(CaseRow))[:12]
COUNTED: Final = ("open", "overdue", "due_soon", "blocked", "unassigned", "planned")
WIDTH: Final = len(fields(CaseRow))


def _case_columns(work: Subquery) -> tuple[ColumnElement[Any], ...]:
    """The columns of a CaseRow, in its order."""
    return (
        *(caseload.c[name] for name in _PLAN),
        _overall(work),
        work.c.due,
        *(work.c[name] for name in COUNTED),
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
        *(func.sum(func.coalesce(work.c[name], 0)) for name in COUNTED),
        func.sum(caseload.c.changes),
        *(_number(kinds[name]) for name in ("contact-due", "off-track", "critical", "attention")),
    )


@lru_cache(maxsize=256)
def pages(shape: Shape, order: Order) -> Statement:
    """Some plans, in the columns of a CaseRow."""
    work = _work()
    return _ordered(_joined(work, *_case_columns(work)), shape, work, order)


@lru_cache(maxsize=256)
def counted_pages(shape: Shape, order: Order) -> Statement:
    """Some plans, in the columns of a CaseRow and, the same in each row, those of Counts over all plans."""
    work = _work()
    counted = (item.over() for item in _count_columns(work))
    return _ordered(_joined(work, *_case_columns(work), *counted), shape, work, order)


def _ordered(made: Select[*tuple[Any, ...]], shape: Shape, work: Subquery, order: Order) -> Statement:
    by: dict[Order, tuple[ColumnElement[Any], ...]] = {
        "need": (case(_RANKS, value=_overall(work)), work.c.due.is_(None), work.c.due),
        "due": (work.c.due.is_(None), work.c.due),
        "name": (caseload.c.name == "", caseload.c.sought),
        "contact": (caseload.c.contact_due.is_(None), caseload.c.contact_due),
    }
    made = made.where(*_filters(shape, work)).order_by(*by[order], caseload.c.plan)
    return statement(made.limit(bindparam("count")).offset(bindparam("start")))


@lru_cache(maxsize=256)
def counted(shape: Shape) -> Statement:
    """The Counts of all plans."""
    work = _work()
    return statement(_joined(work, *_count_columns(work)).where(*_filters(shape, work)))


@lru_cache(maxsize=256)
def task_lists(shape: Shape, state: State, owned: bool) -> Statement:
    """Some tasks in a state, in the columns of a TaskRow; with ``owned`` those of one owner."""
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
def offers(places: int) -> Statement:
    """What can be filtered by, with how many plans have it; ``places`` is the room for patients to leave out."""
    by = [caseload.c[name] for name in ("programs", "settings", "acuity", "stage", "status")]
    return statement(select(*by, func.count()).where(_HERE, *_others(places)).group_by(*by))
