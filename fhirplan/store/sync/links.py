"""Which resource of ours is which of the EHR's, and the last copy both agreed on.

A link without a base is reserved: the EHR's resource was referred to before it was seen, and our id waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.store.engine import Database, Row, Transaction, statement
from fhirplan.store.statements import listed
from fhirplan.store.tables import link


@dataclass(frozen=True, slots=True)
class Link:
    """One pair. ``base`` is in our ids without server fields; ``local_version`` is our version it agrees with.

    ``touched`` is when it was last written or its copy last asked for, in milliseconds.
    """

    type: str
    id: str
    ehr_id: str
    ehr_version: str = ""
    ehr_updated: str = ""
    base: Resource | None = None
    local_version: int = 0
    ehr_gone: bool = False
    touched: int = field(default=0, compare=False)

    @property
    def agreed(self) -> bool:
        """Whether both sides once agreed on a copy."""
        return self.base is not None


@dataclass(frozen=True, slots=True)
class Stored:
    """A link as it is stored, its base unread: JSON text, None where both sides never agreed on a copy."""

    type: str
    id: str
    ehr_id: str
    ehr_version: str
    ehr_updated: str
    base: bytes | None
    local_version: int
    ehr_gone: bool
    touched: int


_COLUMNS: Final = (
    link.c.type,
    link.c.id,
    link.c.ehr_id,
    link.c.ehr_version,
    link.c.ehr_updated,
    link.c.base,
    link.c.local_version,
    link.c.ehr_gone,
    link.c.updated,
)
_OF: Final = (link.c.connection == bindparam("connection"), link.c.type == bindparam("type"))
_BY_ID: Final = statement(select(*_COLUMNS).where(*_OF, link.c.id == bindparam("id")))
_BY_EHR_ID: Final = statement(select(*_COLUMNS).where(*_OF, link.c.ehr_id == bindparam("ehr_id")))
_BY_EHR_IDS: Final = listed(
    ", ".join(str(column) for column in _COLUMNS),
    "CROSS JOIN link WHERE link.connection = :connection AND link.type = :type AND link.ehr_id = listed.value",
)
_TAKEN: Final = listed(
    "listed.value",
    "WHERE EXISTS (SELECT 1 FROM link "
    "WHERE link.connection = :connection AND link.type = :type AND link.id = listed.value) "
    "OR EXISTS (SELECT 1 FROM resource "
    "WHERE resource.connection = :connection AND resource.type = :type AND resource.id = listed.value)",
)
_OUR_ID: Final = statement(select(link.c.id).where(*_OF, link.c.ehr_id == bindparam("ehr_id")))
_THEIR_ID: Final = statement(select(link.c.ehr_id).where(*_OF, link.c.id == bindparam("id"), link.c.ehr_gone == 0))
_INSERT: Final = statement(insert(link).values({column.name: bindparam(column.name) for column in link.c}))
_UPDATE: Final = statement(
    update(link)
    .where(link.c.connection == bindparam("connection_"), link.c.type == bindparam("type_"))
    .where(link.c.id == bindparam("id_"))
    .values(
        {
            name: bindparam(name)
            for name in ("ehr_id", "ehr_version", "ehr_updated", "base", "local_version", "ehr_gone", "updated")
        }
    )
)
_AGREED: Final = (*_OF, link.c.base.is_not(None), link.c.ehr_gone == 0)
_AT_ONCE: Final = 5000
_SOME_EHR_IDS: Final = statement(
    select(link.c.ehr_id)
    .where(*_AGREED, link.c.ehr_id > bindparam("after"))
    .order_by(link.c.ehr_id)
    .limit(bindparam("count"))
)
_REFERRED: Final = statement(
    select(link.c.ehr_id)
    .where(*_OF, link.c.base.is_(None), link.c.ehr_gone == 0, link.c.updated <= bindparam("now"))
    .order_by(link.c.updated, link.c.ehr_id)
    .limit(bindparam("count"))
)
_TOUCH: Final = statement(
    update(link)
    .where(link.c.connection == bindparam("connection_"), link.c.type == bindparam("type_"))
    .where(link.c.id == bindparam("id_"), link.c.ehr_version == bindparam("was"), link.c.ehr_gone == 0)
    .values({name: bindparam(name) for name in ("ehr_version", "ehr_updated", "updated")})
)
_EHR_IDS: Final = statement(select(link.c.ehr_id).where(*_AGREED).order_by(link.c.ehr_id))
_OLDEST: Final = statement(
    select(link.c.ehr_id)
    .where(*_AGREED, link.c.updated < bindparam("before"))
    .order_by(link.c.updated)
    .limit(bindparam("count"))
)
_SEEN: Final = statement(
    update(link)
    .where(link.c.connection == bindparam("connection_"), link.c.type == bindparam("type_"))
    .where(link.c.ehr_id == bindparam("ehr_id_"))
    .values(updated=bindparam("updated"))
)
_ALL: Final = statement(
    select(link.c.type, link.c.id, link.c.ehr_id)
    .where(link.c.connection == bindparam("connection"), link.c.base.is_not(None), link.c.ehr_gone == 0)
    .order_by(link.c.type, link.c.id)
)


_REMOVE: Final = statement(delete(link).where(*_OF, link.c.id == bindparam("id")))
_BASES: Final = statement(
    select(*_COLUMNS).where(link.c.connection == bindparam("connection"), link.c.base.is_not(None))
)


def remove(tx: Transaction, connection: str, type_: str, id_: str) -> None:
    """Forgets the link of our resource."""
    tx.run(_REMOVE, connection=connection, type=type_, id=id_)


def naming(tx: Transaction, connection: str, reference: str) -> list[Link]:
    """The links whose base holds a reference as spelled (``Goal/g1``). Reads all bases, so it is for rare repairs."""
    spelled = codec.dumps(reference)
    found = [row for row in tx.all(_BASES, connection=connection) if spelled in bytes(row[5])]
    return [item for row in found if (item := _link(row)) is not None]


def by_id(tx: Transaction, connection: str, type_: str, id_: str) -> Link | None:
    """The link of our resource, or None."""
    return _link(tx.one(_BY_ID, connection=connection, type=type_, id=id_))


def by_ehr_id(tx: Transaction, connection: str, type_: str, ehr_id: str) -> Link | None:
    """The link of the EHR's resource, or None."""
    return _link(tx.one(_BY_EHR_ID, connection=connection, type=type_, ehr_id=ehr_id))


def stored(tx: Transaction, connection: str, type_: str, ehr_id: str) -> Stored | None:
    """The link of the EHR's resource without reading its base, or None."""
    row = tx.one(_BY_EHR_ID, connection=connection, type=type_, ehr_id=ehr_id)
    return _stored(row) if row is not None else None


def stored_of(tx: Transaction, connection: str, type_: str, ehr_ids: Sequence[str]) -> Mapping[str, Stored]:
    """As ``stored``, for several of one type at once, by the EHR's id."""
    return {row[2]: _stored(row) for row in tx.each(_BY_EHR_IDS, ehr_ids, connection=connection, type=type_)}


def taken(tx: Transaction, connection: str, type_: str, ids: Sequence[str]) -> set[str]:
    """Those of the ids of ours that a link or a resource, deleted or not, has already."""
    return {str(row[0]) for row in tx.each(_TAKEN, ids, connection=connection, type=type_)}


def _stored(row: Row) -> Stored:
    type_, id_, ehr_id, ehr_version, ehr_updated, base, local_version, ehr_gone, touched = row
    kept = bytes(base) if base is not None else None
    return Stored(type_, id_, ehr_id, ehr_version, ehr_updated, kept, int(local_version), bool(ehr_gone), int(touched))


def our_id(tx: Transaction, connection: str, type_: str, ehr_id: str) -> str:
    """Our id for the EHR's resource, "" when none is given yet."""
    row = tx.one(_OUR_ID, connection=connection, type=type_, ehr_id=ehr_id)
    return str(row[0]) if row else ""


def their_id(tx: Transaction, connection: str, type_: str, id_: str) -> str:
    """The EHR's id for our resource, "" when it has none (never sent, or gone there)."""
    row = tx.one(_THEIR_ID, connection=connection, type=type_, id=id_)
    return str(row[0]) if row else ""


def put(tx: Transaction, connection: str, item: Link, now: int) -> None:
    """Writes a link, over the one our resource had."""
    values = _row(item, now)
    if not tx.run(_UPDATE, connection_=connection, type_=item.type, id_=item.id, **values):
        tx.run(_INSERT, connection=connection, type=item.type, id=item.id, **values)


def add(tx: Transaction, connection: str, items: Sequence[Link], now: int) -> None:
    """Writes links of resources that have none."""
    tx.many(
        _INSERT, [{"connection": connection, "type": item.type, "id": item.id, **_row(item, now)} for item in items]
    )


def agree(tx: Transaction, connection: str, items: Iterable[Link], now: int) -> None:
    """Writes links of resources that have one already."""
    named = [{"connection_": connection, "type_": item.type, "id_": item.id, **_row(item, now)} for item in items]
    tx.many(_UPDATE, named)


def _row(item: Link, now: int) -> dict[str, Any]:
    return {
        "ehr_id": item.ehr_id,
        "ehr_version": item.ehr_version,
        "ehr_updated": item.ehr_updated,
        "base": codec.dumps(item.base) if item.base is not None else None,
        "local_version": item.local_version,
        "ehr_gone": int(item.ehr_gone),
        "updated": now,
    }


def touch(tx: Transaction, connection: str, known: Stored, ehr_version: str, ehr_updated: str, now: int) -> bool:
    """Notes the EHR's version of a copy that says the same as before; False when the link has changed meanwhile."""
    values = {"ehr_version": ehr_version, "ehr_updated": ehr_updated, "updated": now}
    named = {"connection_": connection, "type_": known.type, "id_": known.id, "was": known.ehr_version}
    return bool(tx.run(_TOUCH, **named, **values))


def each_ehr_id(database: Database, connection: str, type_: str) -> Iterator[str]:
    """The EHR's ids of the resources of a type that both sides hold, read in parts, as there may be a million."""
    after = ""
    while True:
        with database.read() as tx:
            rows = tx.all(_SOME_EHR_IDS, connection=connection, type=type_, after=after, count=_AT_ONCE)
        if not rows:
            return
        yield from (str(row[0]) for row in rows)
        after = str(rows[-1][0])


def referred(tx: Transaction, connection: str, type_: str, now: int, count: int) -> list[str]:
    """The EHR's ids of resources that were referred to and never seen, without those put off until later than now."""
    return [str(row[0]) for row in tx.all(_REFERRED, connection=connection, type=type_, now=now, count=count)]


def ehr_ids(tx: Transaction, connection: str, type_: str) -> list[str]:
    """The EHR's ids of the resources of a type that both sides hold."""
    return [str(row[0]) for row in tx.all(_EHR_IDS, connection=connection, type=type_)]


def not_seen_since(tx: Transaction, connection: str, type_: str, before: int, count: int) -> list[str]:
    """The EHR's ids of the links that were touched longest ago, before an instant in milliseconds."""
    return [str(row[0]) for row in tx.all(_OLDEST, connection=connection, type=type_, before=before, count=count)]


def seen(tx: Transaction, connection: str, type_: str, ehr_id: str, now: int) -> None:
    """Notes when the EHR was last found to hold a resource; of one never seen, when it is to be asked for again."""
    tx.run(_SEEN, connection_=connection, type_=type_, ehr_id_=ehr_id, updated=now)


def pairs(tx: Transaction, connection: str) -> Sequence[tuple[str, str, str]]:
    """(type, our id, the EHR's id) of every resource that both sides hold."""
    return [(str(row[0]), str(row[1]), str(row[2])) for row in tx.all(_ALL, connection=connection)]


def _link(row: Row | None) -> Link | None:
    if row is None:
        return None
    type_, id_, ehr_id, ehr_version, ehr_updated, base, local_version, ehr_gone, touched = row
    copy = codec.loads(bytes(base)) if base is not None else None
    return Link(type_, id_, ehr_id, ehr_version, ehr_updated, copy, int(local_version), bool(ehr_gone), int(touched))
