"""Judges changes before other writers wait for them, and tells under the writer's lock whether that still holds.

On SQLite one writer works at a time, so what it does meanwhile bounds the writes of all. The rules read the record as
it is, which may change before the lock is had: then, and only then, they are asked again under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import bindparam, func, select

from fhirplan.store.commit import Base, Change, rows_of, with_rows
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.coordination.ruled import Ruled, Rules, ruled
from fhirplan.store.engine import Database, Transaction, statement
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions

# Versions that may have come meanwhile before it is cheaper to judge again than to look at each.
_MOST: Final = 500
_NEWEST: Final = statement(select(func.max(versions.c.vid)))
_SINCE: Final = statement(
    select(resources.c.type, resources.c.id)
    .select_from(versions.join(resources, resources.c.rid == versions.c.rid))
    .where(versions.c.vid > bindparam("newest"))
    .limit(_MOST)
)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How changes were judged by the record as it was when ``newest`` was the number of its newest version.

    ``refs`` is what was looked for, there or not, ``listed`` the types of which lists were read.
    """

    judged: Ruled
    newest: int
    refs: frozenset[str]
    listed: frozenset[str]

    def still(self, tx: Transaction, changes: Sequence[Change]) -> Ruled | None:
        """The judgement with what these changes ``expected``; None where something that it was made from has changed.

        They are the changes that were judged, in the same order. Only inside a write on SQLite, where numbers of
        versions grow in the order of commits.
        """
        since = tx.all(_SINCE, newest=self.newest)
        if len(since) == _MOST or any(type_ in self.listed or f"{type_}/{id_}" in self.refs for type_, id_ in since):
            return None
        made = zip(self.judged.changes, changes, strict=True)
        return replace(
            self.judged,
            changes=tuple(
                one if one.expected == given.expected else replace(one, expected=given.expected) for one, given in made
            ),
        )


def foresee(
    database: Database,
    connection: str,
    changes: Sequence[Change],
    now: int,
    rules: Rules,
    *,
    lenient: bool = False,
    additions: bool = True,
    following: bool = True,
    base: str = "",
) -> Foreseen | None:
    """Judges changes as ``ruled`` does, with all that a commit can be spared; call it before ``Database.write``.

    ``base`` as for ``commit``. None on PostgreSQL, where writers do not wait for each other.
    """
    if database.dialect != "sqlite":
        return None
    with database.read() as tx:
        newest = tx.one(_NEWEST)
        record = StoredRecord(tx, connection, rules.behaviors)
        judged = ruled(
            tx,
            connection,
            changes,
            now,
            rules,
            lenient=lenient,
            additions=additions,
            following=following,
            record=record,
        )
        prepared = replace(
            judged,
            changes=tuple(_prepared(record, change, base) for change in judged.changes),
            following=tuple(_prepared(record, change, base) for change in judged.following),
        )
    return Foreseen(prepared, int((newest and newest[0]) or 0), frozenset(record.known), frozenset(record.listed))


def _prepared(record: StoredRecord, change: Change, base: str) -> Change:
    """The change with the index rows of what is stored and of what will be."""
    if change.rows is None:
        change = with_rows(change, base)
    ref = f"{change.type}/{change.id}"
    stored = record.get(ref) if change.method != "create" else None
    if stored is None:
        return change
    body = record.versions[ref].body if ref in record.versions else None
    return replace(change, base=Base(body, stored, rows_of(change.type, stored, base))) if body is not None else change
