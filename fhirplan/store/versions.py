"""Reads what was stored: the current version of a resource, an earlier one, all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, bindparam, func, not_, select

from fhirplan.catalog import CATALOG
from fhirplan.fhir.codec import Resource, loads
from fhirplan.store.engine import Row, Statement, Transaction, statement
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions

Method = Literal["create", "update", "delete"]


# What is stored was read within the limit in force then, which may have been a wider one.
_ANY_DEPTH: Final = 10_000


def resource_of(body: bytes) -> Resource:
    """The resource of a stored JSON text."""
    made: Resource = loads(body, max_depth=_ANY_DEPTH)
    return made


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource. ``body`` is its JSON as it was stored, None where the version is a deletion.

    ``updated`` is in milliseconds since 1970-01-01 UTC; ``version`` counts from 1 without gaps.
    """

    rid: int
    type: str
    id: str
    version: int
    updated: int
    method: Method
    body: bytes | None

    @property
    def deleted(self) -> bool:
        """Whether this version says that the resource was deleted (a tombstone)."""
        return self.body is None

    def resource(self) -> Resource:
        """The resource of this version. Raises ValueError for a deletion, which has none."""
        if self.body is None:
            raise ValueError(f"{self.type}/{self.id} version {self.version} is a deletion")
        return resource_of(self.body)


# What a Version is made of, in this order.
COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    resources.c.rid,
    resources.c.type,
    resources.c.id,
    versions.c.version,
    versions.c.updated,
    versions.c.method,
    versions.c.body,
)
_NAMED: Final = (
    (resources.c.connection == bindparam("connection"))
    & (resources.c.type == bindparam("type"))
    & (resources.c.id == bindparam("id"))
)


def _select(join: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS).select_from(resources.join(versions, join)).where(_NAMED)


_CURRENT: Final = statement(_select(versions.c.vid == resources.c.vid))
_OF_RESOURCE: Final = versions.c.rid == resources.c.rid
_AT: Final = statement(_select(_OF_RESOURCE).where(versions.c.version == bindparam("version")))
_HISTORY: Final = statement(
    _select(_OF_RESOURCE)
    .where(versions.c.version < bindparam("before"))
    .order_by(versions.c.version.desc())
    .limit(bindparam("count"))
)
_NEWEST: Final = 2**62


def of_row(row: Row) -> Version:
    """The Version of a row of COLUMNS."""
    return Version(*row)


def current(tx: Transaction, connection: str, type: str, id: str) -> Version | None:
    """The current version, which may be a deletion; None where nothing was ever stored under that id."""
    row = tx.one(_CURRENT, connection=connection, type=type, id=id)
    return Version(*row) if row is not None else None


def at(tx: Transaction, connection: str, type: str, id: str, version: int) -> Version | None:
    """That version, which may be a deletion; None where there is none."""
    row = tx.one(_AT, connection=connection, type=type, id=id, version=version)
    return Version(*row) if row is not None else None


def history(
    tx: Transaction, connection: str, type: str, id: str, *, before: int | None = None, count: int
) -> list[Version]:
    """At most ``count`` versions, newest first, only those older than version ``before`` when it is given."""
    limit = _NEWEST if before is None else before
    rows = tx.all(_HISTORY, connection=connection, type=type, id=id, before=limit, count=count)
    return [Version(*row) for row in rows]


_LAST_LIVE: Final = statement(
    select(*COLUMNS)
    .select_from(resources.join(versions, _OF_RESOURCE))
    .where(versions.c.rid == bindparam("rid"), versions.c.body.is_not(None), versions.c.version < bindparam("before"))
    .order_by(versions.c.version.desc())
    .limit(1)
)


def last_live(tx: Transaction, rid: int, before: int = _NEWEST) -> Version | None:
    """The newest version of a resource that is no deletion, and older than version ``before``."""
    row = tx.one(_LAST_LIVE, rid=rid, before=before)
    return Version(*row) if row is not None else None


_LAST_BY: Final = statement(
    _select(_OF_RESOURCE)
    .where(versions.c.actor == bindparam("actor"), versions.c.body.is_not(None))
    .order_by(versions.c.version.desc())
    .limit(1)
)


def last_by(tx: Transaction, connection: str, type: str, id: str, actor: str) -> Version | None:
    """The newest version of a resource that this actor wrote and that is no deletion; None where there is none."""
    row = tx.one(_LAST_BY, connection=connection, type=type, id=id, actor=actor)
    return Version(*row) if row is not None else None


_BY_RID: Final = statement(
    select(*COLUMNS)
    .select_from(resources.join(versions, versions.c.vid == resources.c.vid))
    .where(resources.c.rid == bindparam("rid"))
)


def by_rid(tx: Transaction, rid: int) -> Version | None:
    """The current version of the resource of that number, which may be a deletion."""
    row = tx.one(_BY_RID, rid=rid)
    return Version(*row) if row is not None else None


@dataclass(frozen=True, slots=True)
class Step:
    """One version in a history. ``vid`` is its place among all versions; ``made``: nothing was there before."""

    version: Version
    vid: int
    made: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Which versions of a history are asked for.

    ``before`` is the ``vid`` that all of them come before. ``since`` is the oldest time, in ms. ``low`` and ``high``
    are a span of time, in ms: only versions that were the current one at some moment in it; None for any.
    """

    count: int
    before: int = _NEWEST
    since: int = 0
    low: int | None = None
    high: int | None = None


_previous = versions.alias("previous")
_next = versions.alias("next")
_MADE: Final = (
    select(_previous.c.version)
    .where(_previous.c.rid == versions.c.rid, _previous.c.version == versions.c.version - 1)
    .where(_previous.c.body.is_not(None))
    .exists()
)
_REPLACED: Final = (
    select(_next.c.version)
    .where(_next.c.rid == versions.c.rid, _next.c.version == versions.c.version + 1)
    .where(_next.c.updated <= bindparam("low"))
    .exists()
)
_STEPS: Final = select(*COLUMNS, versions.c.vid, _MADE).select_from(
    versions.join(resources, resources.c.rid == versions.c.rid)
)
_IN_TIME: Final = (
    (versions.c.updated >= bindparam("since")) & (versions.c.updated < bindparam("high")) & not_(_REPLACED)
)
# An expression in place of a column keeps the database from choosing that column's index, which we know to be worse.
_type_read: Final = resources.c.type + ""
_connection_read: Final = resources.c.connection + ""
_place: Final = versions.c.vid + 0


def _along_versions(*more: ColumnElement[bool]) -> Statement:
    """Goes through all versions from the newest on, until the page is full."""
    found = _STEPS.where(versions.c.vid < bindparam("before"), _connection_read == bindparam("connection"), *more)
    return statement(found.where(_IN_TIME).order_by(versions.c.vid.desc()).limit(bindparam("count")))


_SYSTEM_ALONG: Final = _along_versions()
_TYPE_ALONG: Final = _along_versions(_type_read == bindparam("type"))
_OF_TYPE: Final = (resources.c.connection == bindparam("connection")) & (resources.c.type == bindparam("type"))
_TYPE_COUNTED: Final = statement(
    select(func.count()).select_from(
        select(resources.c.rid)
        .where(_OF_TYPE, resources.c.updated >= bindparam("since"))
        .limit(bindparam("few"))
        .subquery()
    )
)
# A version that is young enough belongs to a resource whose last change is.
_TYPE_BY_RESOURCE: Final = statement(
    _STEPS.where(_OF_TYPE, resources.c.updated >= bindparam("since"))
    .where(_place < bindparam("before"), _IN_TIME)
    .order_by(_place.desc())
    .limit(bindparam("count"))
)
_INSTANCE: Final = statement(
    _STEPS.where(_NAMED, _place < bindparam("before"), _IN_TIME).order_by(_place.desc()).limit(bindparam("count"))
)
FEW: Final = 2000
"""Up to so many resources are asked for their versions; where there are more, all versions are gone through."""


def history_instance(tx: Transaction, connection: str, type: str, id: str, window: Window) -> list[Step]:
    """A page of the versions of one resource, newest first."""
    return _steps(tx, _INSTANCE, window, connection=connection, type=type, id=id)


def history_types(tx: Transaction, connection: str, types: Sequence[str], window: Window) -> list[Step]:
    """A page of the versions of all resources of these types, newest first; of all types when none is given.

    Pages follow each other by the place of their last version, so that what is stored meanwhile neither repeats nor
    hides a version.
    """
    known = types or list(CATALOG)
    left = FEW
    for type_ in known:
        row = tx.one(_TYPE_COUNTED, connection=connection, type=type_, since=window.since, few=left + 1)
        left -= row[0] if row is not None else 0
        if left < 0:
            return _along(tx, connection, types, window)
    found = [
        step for type_ in known for step in _steps(tx, _TYPE_BY_RESOURCE, window, connection=connection, type=type_)
    ]
    return sorted(found, key=lambda step: -step.vid)[: window.count]


def _along(tx: Transaction, connection: str, types: Sequence[str], window: Window) -> list[Step]:
    if not types:
        return _steps(tx, _SYSTEM_ALONG, window, connection=connection)
    found = [step for one in types for step in _steps(tx, _TYPE_ALONG, window, connection=connection, type=one)]
    return sorted(found, key=lambda step: -step.vid)[: window.count]


def _steps(tx: Transaction, which: Statement, window: Window, **named: str) -> list[Step]:
    rows = tx.all(
        which,
        **named,
        before=window.before,
        count=window.count,
        since=window.since,
        # The deepest and highest times there are, where no span is asked for.
        low=-_NEWEST if window.low is None else window.low,
        high=_NEWEST if window.high is None else window.high,
    )
    return [Step(Version(*row[:-2]), row[-2], not row[-1]) for row in rows]
