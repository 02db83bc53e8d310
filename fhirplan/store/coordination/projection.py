"""Keeps what a projection of a patient's coordination state needs: who is to be computed, and the rows made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, update

from fhirplan.coordination.caseload import PlanRow, WorkRow
from fhirplan.search.values import folded
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import caseload, caseload_work, patient_mark

NEVER: Final = 2**62
"""When a row is to be computed again that the clock does not change."""

MARK: Final = insertion(patient_mark, without=("mid",))
_HERE: Final = patient_mark.c.connection == bindparam("connection")
_MARKED: Final = statement(
    select(patient_mark.c.patient, func.min(patient_mark.c.mid).label("first"))
    .where(_HERE)
    .group_by(patient_mark.c.patient)
    .order_by("first")
    .limit(bindparam("count"))
)
_SEEN: Final = statement(
    delete(patient_mark).where(
        patient_mark.c.connection == bindparam("connection_"), patient_mark.c.patient == bindparam("patient_")
    )
)
_NEWEST: Final = statement(
    select(func.max(patient_mark.c.mid)).where(_HERE, patient_mark.c.patient == bindparam("patient"))
)
_COMPUTED: Final = statement(
    select(func.max(caseload.c.projected)).where(
        caseload.c.connection == bindparam("connection"), caseload.c.patient == bindparam("patient")
    )
)
_POSTPONE: Final = statement(
    update(caseload)
    .where(caseload.c.connection == bindparam("connection_"), caseload.c.patient == bindparam("patient_"))
    .values(next=bindparam("until"))
)
_ANY: Final = statement(select(patient_mark.c.mid).where(_HERE).limit(1))
_DUE: Final = statement(
    select(caseload.c.patient, func.min(caseload.c.next).label("first"))
    .where(caseload.c.connection == bindparam("connection"), caseload.c.next <= bindparam("now"))
    .group_by(caseload.c.patient)
    .order_by("first")
    .limit(bindparam("count"))
)
_ANY_DUE: Final = statement(
    select(caseload.c.plan)
    .where(caseload.c.connection == bindparam("connection"), caseload.c.next <= bindparam("now"))
    .limit(1)
)
_PLANS: Final = statement(
    select(caseload.c.plan).where(
        caseload.c.connection == bindparam("connection"), caseload.c.patient == bindparam("patient")
    )
)
_FORGET: Final = tuple(
    statement(delete(table).where(table.c.connection == bindparam("connection_"), table.c.plan == bindparam("plan_")))
    for table in (caseload, caseload_work)
)
_PLAN: Final = insertion(caseload)
_WORK: Final = insertion(caseload_work)


def mark(tx: Transaction, connection: str, patients: Iterable[str], now: int) -> None:
    """Says that the state of these patients (ids) is to be computed again."""
    tx.many(MARK, [{"connection": connection, "patient": patient, "at": now} for patient in patients])


def marked(tx: Transaction, connection: str, count: int) -> list[str]:
    """The patients that changed since they were computed, those that wait longest first."""
    return [str(row[0]) for row in tx.all(_MARKED, connection=connection, count=count)]


def due(tx: Transaction, connection: str, now: int, count: int) -> list[str]:
    """The patients whose state the clock alone has changed since, or may have."""
    return [str(row[0]) for row in tx.all(_DUE, connection=connection, now=now, count=count)]


def waiting(tx: Transaction, connection: str, now: int) -> bool:
    """Whether any patient is to be computed, by two looks at an index."""
    if tx.one(_ANY, connection=connection) is not None:
        return True
    return tx.one(_ANY_DUE, connection=connection, now=now) is not None


def seen(tx: Transaction, connection: str, patient: str) -> None:
    """Takes note that what is read of a patient from here on in this transaction is what is computed.

    A change that is committed later leaves its mark, since only marks that are visible now are removed.
    """
    tx.run(_SEEN, connection_=connection, patient_=patient)


def edition(tx: Transaction, connection: str, patient: str) -> tuple[int, int]:
    """What tells whether anything of a patient changed or was computed: the newest mark, and when it was computed."""
    newest = tx.one(_NEWEST, connection=connection, patient=patient)
    computed = tx.one(_COMPUTED, connection=connection, patient=patient)
    return int((newest and newest[0]) or 0), int((computed and computed[0]) or 0)


def postpone(tx: Transaction, connection: str, patient: str, until: int) -> None:
    """Has what is listed of a patient not computed again for the clock's sake before ``until``."""
    tx.run(_POSTPONE, connection_=connection, patient_=patient, until=until)


def put(
    tx: Transaction,
    connection: str,
    patient: str,
    rows: Sequence[tuple[PlanRow, Sequence[WorkRow], int | None]],
    now: int,
) -> None:
    """Replaces what is listed of a patient; with each plan the moment at which the clock changes it, None for never."""
    known = {str(row[0]) for row in tx.all(_PLANS, connection=connection, patient=patient)}
    for plan in sorted(known | {row.plan for row, _, _ in rows}):
        for forget in _FORGET:
            tx.run(forget, connection_=connection, plan_=plan)
    tx.many(_PLAN, [_plan_values(connection, row, after, now) for row, _, after in rows])
    tx.many(
        _WORK,
        [{"connection": connection, "plan": row.plan, **_plain(work)} for row, works, _ in rows for work in works],
    )


def _plan_values(connection: str, row: PlanRow, after: int | None, now: int) -> dict[str, Any]:
    values = {**asdict(row), "connection": connection, "projected": now, "next": NEVER if after is None else after}
    for name in ("programs", "settings"):
        values[name] = f" {' '.join(values[name])} " if values[name] else ""
    return {**values, "sought": folded(row.name), "at_risk": int(row.at_risk)}


def _plain(work: WorkRow) -> Mapping[str, Any]:
    return {name: int(value) if isinstance(value, bool) else value for name, value in asdict(work).items()}
