"""Keeps what an EHR gave notice of until it is fetched, and the number of each subscription's last event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import notice, notice_course

MOST_WAITING: Final = 1000
"""Resources of a connection that are kept by name; with more, everything that changed is asked for."""
MOST_COURSES: Final = 100
"""Subscriptions of a connection whose events are counted; the notices of others lead to a whole pull."""
_HERE: Final = notice.c.connection == bindparam("connection")
_COURSE: Final = (notice_course.c.connection == bindparam("connection"),)
_ONE_COURSE: Final = (*_COURSE, notice_course.c.subscription == bindparam("subscription"))
_COUNT: Final = statement(select(func.count()).select_from(notice).where(_HERE))
_ANY: Final = statement(select(notice.c.type).where(_HERE).limit(1))
_LISTED: Final = statement(select(notice.c.type, notice.c.ehr_id, notice.c.at).where(_HERE).order_by(notice.c.at))
_ADD: Final = statement(insert(notice).values({column.name: bindparam(column.name) for column in notice.c}))
_AGAIN: Final = statement(
    update(notice)
    .where(notice.c.connection == bindparam("connection_"), notice.c.type == bindparam("type_"))
    .where(notice.c.ehr_id == bindparam("ehr_id_"))
    .values(at=bindparam("at"))
)
_DONE: Final = statement(
    delete(notice).where(
        _HERE,
        notice.c.type == bindparam("type"),
        notice.c.ehr_id == bindparam("ehr_id"),
        notice.c.at <= bindparam("at"),
    )
)
_LAST: Final = statement(select(notice_course.c.event).where(*_ONE_COURSE))
_COURSES: Final = statement(select(func.count()).select_from(notice_course).where(*_COURSE))
_BEGIN: Final = statement(
    insert(notice_course).values({column.name: bindparam(column.name) for column in notice_course.c})
)
_MOVE: Final = statement(
    update(notice_course)
    .where(notice_course.c.connection == bindparam("connection_"))
    .where(notice_course.c.subscription == bindparam("subscription_"))
    .values(event=bindparam("event"), updated=bindparam("updated"))
)
Named = tuple[str, str]


def put(tx: Transaction, connection: str, named: Iterable[Named], now: int) -> None:
    """Keeps what is to be fetched, as (type, the EHR's id); ("", "") is all that changed.

    Where too much waits already, all that changed is kept instead.
    """
    tx.alone(f"notices {connection}")
    row = tx.one(_COUNT, connection=connection)
    waiting = int(row[0]) if row else 0
    for type_, ehr_id in dict.fromkeys(named):
        if waiting >= MOST_WAITING:
            type_, ehr_id = "", ""
        if not tx.run(_AGAIN, connection_=connection, type_=type_, ehr_id_=ehr_id, at=now):
            tx.run(_ADD, connection=connection, type=type_, ehr_id=ehr_id, at=now)
            waiting += 1


def waits(tx: Transaction, connection: str) -> bool:
    """Whether anything is to be fetched."""
    return tx.one(_ANY, connection=connection) is not None


def waiting(tx: Transaction, connection: str) -> list[tuple[str, str, int]]:
    """What is to be fetched, the oldest first: type, the EHR's id, and when the notice came (ms)."""
    return [(str(row[0]), str(row[1]), int(row[2])) for row in tx.all(_LISTED, connection=connection)]


def done(tx: Transaction, connection: str, type_: str, ehr_id: str, at: int) -> None:
    """Forgets a notice, unless it came again after ``at``."""
    tx.run(_DONE, connection=connection, type=type_, ehr_id=ehr_id, at=at)


def last_event(tx: Transaction, connection: str, subscription: str) -> int | None:
    """The number of the last event of a subscription that we heard of, None where we never did."""
    row = tx.one(_LAST, connection=connection, subscription=subscription)
    return int(row[0]) if row else None


def heard(tx: Transaction, connection: str, subscription: str, event: int, now: int) -> bool:
    """Keeps the number of a subscription's last event; False where too many subscriptions are counted already."""
    if tx.run(_MOVE, connection_=connection, subscription_=subscription, event=event, updated=now):
        return True
    row = tx.one(_COURSES, connection=connection)
    if row and int(row[0]) >= MOST_COURSES:
        return False
    tx.run(_BEGIN, connection=connection, subscription=subscription, event=event, updated=now)
    return True
