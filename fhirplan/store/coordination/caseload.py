"""Lists plans and their open work by what is due, filtered and counted in SQL at any moment.

The rows are written by the projection (``store.projection``). What only the clock changes is computed here from the
moments they hold, with the moment as an argument, so that a list says the same as ``coordination.state`` would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from fhirplan.store.coordination.caseload_rows import CaseRow, Counts, Order, State, TaskRow, Wanted
from fhirplan.store.coordination.caseload_statements import (
    COUNTED,
    WIDTH,
    counted,
    counted_pages,
    given,
    left_out,
    offers,
    pages,
    room,
    shape_of,
    task_lists,
)
from fhirplan.store.engine import Row, Transaction


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
    run = pages(shape_of(wanted), order)
    return [_case(row) for row in tx.all(run, **given(connection, wanted, now), count=count, start=start)]


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
    run = counted_pages(shape_of(wanted), order)
    rows = tx.all(run, **given(connection, wanted, now), count=count, start=start)
    if not rows:
        return [], counts(tx, connection, wanted, now) if start else Counts()
    return [_case(row[:WIDTH]) for row in rows], _counts_of(rows[0][WIDTH:])


def counts(tx: Transaction, connection: str, wanted: Wanted, now: int) -> Counts:
    """How many plans are asked for, and of what they have."""
    row = tx.one(counted(shape_of(wanted)), **given(connection, wanted, now))
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
    run = task_lists(shape_of(wanted), state, bool(owner))
    values = given(connection, wanted, now) | ({"owner": owner} if owner else {})
    return [_task(row) for row in tx.all(run, **values, count=count, start=start)]


def offered(tx: Transaction, connection: str, without: tuple[str, ...] = ()) -> Mapping[str, Mapping[str, int]]:
    """What can be filtered by: for program, setting, acuity, stage and status each value and how many plans have it.

    The plans of the patients ``without`` are not counted.
    """
    found: dict[str, dict[str, int]] = {name: {} for name in ("program", "setting", "acuity", "stage", "status")}
    rows = tx.all(offers(room(without)), connection=connection, **left_out(without))
    for programs, settings, acuity, stage, status, number in rows:
        values = {"acuity": (acuity,), "stage": (stage,), "status": (status,)}
        values |= {"program": tuple(programs.split()), "setting": tuple(settings.split())}
        for name, held in values.items():
            for value in filter(None, held):
                found[name][value] = found[name].get(value, 0) + int(number)
    return {name: dict(sorted(held.items())) for name, held in found.items()}


def _counts_of(row: Row) -> Counts:
    return Counts(*(int(value or 0) for value in row))


def _case(row: Row) -> CaseRow:
    values = dict(zip((item.name for item in fields(CaseRow)), row, strict=True))
    for name in ("programs", "settings"):
        values[name] = tuple(values[name].split())
    for name in COUNTED:
        values[name] = int(values[name] or 0)
    return CaseRow(**values)


def _task(row: Row) -> TaskRow:
    return TaskRow(*row[:10], *(bool(value) for value in row[10:]))
