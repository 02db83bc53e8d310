"""Reads what was stored: the current version of a resource, an earlier one, all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, bindparam, select

from fhirplan.fhir.codec import Resource, loads
from fhirplan.store.engine import Row, Transaction, statement
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
