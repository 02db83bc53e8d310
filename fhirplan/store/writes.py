"""Reads who wrote which version: of one resource, of a patient's record, of everything, in the order of writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select

from fhirplan.store.engine import Row, Statement, Transaction, statement
from fhirplan.store.tables import audit
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions
from fhirplan.store.versions import Method

PROVENANCE: Final = "Provenance"
"""What is not asked who wrote it, since it says so itself."""
SLACK: Final = 60_000
"""Clocks are put right now and then, so that the order of writing is the order of time up to this, in ms."""
_EDGE: Final = 2**62


@dataclass(frozen=True, slots=True)
class Write:
    """One version and who wrote it. ``number`` is its place in the order that it was read in, ``updated`` in ms.

    ``body`` is the JSON of the version, of a deletion that of the version before it; ``before`` is 1 where there was a
    live version before, else 0.
    """

    number: int
    vid: int
    type: str
    id: str
    version: int
    updated: int
    method: Method
    actor: str
    request_id: str
    body: bytes | None
    before: int


_previous = versions.alias("previous")
_WRITE: Final[tuple[ColumnElement[Any], ...]] = (
    versions.c.vid,
    resources.c.type,
    resources.c.id,
    versions.c.version,
    versions.c.updated,
    versions.c.method,
    versions.c.actor,
    versions.c.request_id,
    func.coalesce(versions.c.body, _previous.c.body),
    case((_previous.c.body.is_not(None), 1), else_=0),
)
_BEFORE: Final = (_previous.c.rid == versions.c.rid) & (_previous.c.version == versions.c.version - 1)
# An expression in place of a column keeps the database from choosing that column's index, which we know to be worse.
_connection_read: Final = resources.c.connection + ""
_place: Final = versions.c.vid + 0


def _of(number: ColumnElement[int], start: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    joined = start.outerjoin(_previous, _BEFORE)
    return select(number, *_WRITE).select_from(joined).where(*conditions, resources.c.type != PROVENANCE)


def _both_ways(found: Select[Any], number: ColumnElement[int]) -> tuple[Statement, Statement]:
    """Forwards and backwards from a number on."""
    return (
        statement(found.where(number > bindparam("after")).order_by(number).limit(bindparam("count"))),
        statement(found.where(number < bindparam("after")).order_by(number.desc()).limit(bindparam("count"))),
    )


_FROM_VERSION: Final = versions.join(resources, resources.c.rid == versions.c.rid)
_ONE: Final = statement(
    _of(
        versions.c.vid,
        _FROM_VERSION,
        versions.c.vid == bindparam("vid"),
        resources.c.connection == bindparam("connection"),
    )
)
_ALONG: Final = _both_ways(
    _of(versions.c.vid, _FROM_VERSION, _connection_read == bindparam("connection")), versions.c.vid
)
_OF_RESOURCE: Final = _both_ways(
    _of(
        versions.c.vid,
        resources.join(versions, versions.c.rid == resources.c.rid),
        resources.c.connection == bindparam("connection"),
        resources.c.type == bindparam("type"),
        resources.c.id == bindparam("id"),
    ),
    _place,
)
_OF_ACTOR: Final = _both_ways(
    _of(
        versions.c.vid,
        _FROM_VERSION,
        versions.c.actor == bindparam("actor"),
        _connection_read == bindparam("connection"),
    ),
    versions.c.vid,
)
_NUMBER: Final = statement(
    select(func.count())
    .select_from(_FROM_VERSION)
    .where(resources.c.connection == bindparam("connection"), resources.c.type != PROVENANCE)
)
_NAMED: Final = (
    (resources.c.connection == audit.c.connection) & (resources.c.type == audit.c.type) & (resources.c.id == audit.c.id)
)
_OF_PATIENT: Final = _both_ways(
    _of(
        audit.c.aid,
        audit.join(resources, _NAMED).join(
            versions, (versions.c.rid == resources.c.rid) & (versions.c.version == audit.c.version)
        ),
        audit.c.connection == bindparam("connection"),
        audit.c.patient == bindparam("patient"),
        or_(audit.c.action == "C", audit.c.action == "U", audit.c.action == "D"),
        audit.c.outcome == "success",
    ),
    audit.c.aid,
)
_TIME: Final = statement(
    select(versions.c.vid, versions.c.updated)
    .where(versions.c.vid >= bindparam("vid"))
    .order_by(versions.c.vid)
    .limit(1)
)
_LAST: Final = statement(select(func.max(versions.c.vid)))


def one(tx: Transaction, connection: str, vid: int) -> Write | None:
    """The write of that number; None where there is none, or it is one of a Provenance."""
    row = tx.one(_ONE, connection=connection, vid=vid)
    return _write(row) if row is not None else None


def along(tx: Transaction, connection: str, *, after: int | None, count: int, backwards: bool = False) -> list[Write]:
    """At most ``count`` writes after the number ``after``, or before it when ``backwards``; from the end for None."""
    return _read(tx, _ALONG, after, count, backwards, connection=connection)


def of_resource(
    tx: Transaction, connection: str, type: str, id: str, *, after: int | None, count: int, backwards: bool = False
) -> list[Write]:
    """As ``along``, those that wrote one resource."""
    return _read(tx, _OF_RESOURCE, after, count, backwards, connection=connection, type=type, id=id)


def of_patient(
    tx: Transaction, connection: str, patient: str, *, after: int | None, count: int, backwards: bool = False
) -> list[Write]:
    """As ``along``, those that wrote in the record of the patient of that id; the numbers are of another kind."""
    return _read(tx, _OF_PATIENT, after, count, backwards, connection=connection, patient=patient)


def of_actor(
    tx: Transaction, connection: str, actor: str, *, after: int | None, count: int, backwards: bool = False
) -> list[Write]:
    """As ``along``, those of one who writes, such as ``Practitioner/x``."""
    return _read(tx, _OF_ACTOR, after, count, backwards, connection=connection, actor=actor)


def number(tx: Transaction, connection: str) -> int:
    """How many writes there are."""
    row = tx.one(_NUMBER, connection=connection)
    return int(row[0]) if row is not None else 0


def first_at(tx: Transaction, moment: int) -> int:
    """The number before which all writes are older than ``moment`` (ms), as far as clocks only go forward."""
    row = tx.one(_LAST)
    low, high = 0, int(row[0] or 0) + 1 if row is not None else 1
    while low < high:
        middle = (low + high) // 2
        found = tx.one(_TIME, vid=middle)
        if found is not None and found[1] < moment:
            low = int(found[0]) + 1
        else:
            high = middle
    return low


def _read(
    tx: Transaction, which: tuple[Statement, Statement], after: int | None, count: int, backwards: bool, **named: str
) -> list[Write]:
    begin = (_EDGE if backwards else -1) if after is None else after
    return [_write(row) for row in tx.all(which[backwards], **named, after=begin, count=count)]


def _write(row: Row) -> Write:
    return Write(*row)
