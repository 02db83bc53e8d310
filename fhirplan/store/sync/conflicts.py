"""Changes that both sides made to one resource: base, our copy and the EHR's, until a person decides."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from fhirplan.catalog import CATALOG
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.store.commit import lane
from fhirplan.store.coordination import projection
from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.tables import conflict, version


@dataclass(frozen=True, slots=True)
class Collision:
    """One conflict, all copies in our ids. A copy that is None was deleted on that side (base: never agreed).

    ``remote`` has the EHR's meta.versionId and lastUpdated; ``local`` is our copy when the conflict was last noticed.
    ``decision`` says how it was resolved (``ours``, ``theirs``, ``fields``, ``edited``), "" while it is open and where
    nobody had to decide; ``decided_version`` is the version of ours that came of it, 0 for none.
    """

    cid: int
    type: str
    id: str
    base: Resource | None
    local: Resource | None
    remote: Resource | None
    ehr_version: str
    paths: tuple[str, ...]
    state: str
    created: int
    resolved: int | None
    resolved_by: str = ""
    decision: str = ""
    decided_version: int = 0


_COLUMNS: Final = (
    conflict.c.cid,
    conflict.c.type,
    conflict.c.id,
    conflict.c.base,
    conflict.c.local,
    conflict.c.remote,
    conflict.c.ehr_version,
    conflict.c.paths,
    conflict.c.state,
    conflict.c.created,
    conflict.c.resolved,
    conflict.c.resolved_by,
    conflict.c.decision,
    conflict.c.decided_version,
)
_HERE: Final = conflict.c.connection == bindparam("connection")
_RESOURCE: Final = (_HERE, conflict.c.type == bindparam("type"), conflict.c.id == bindparam("id"))
_OPEN_OF: Final = statement(select(*_COLUMNS).where(*_RESOURCE, conflict.c.state == "open"))
_ONE: Final = statement(select(*_COLUMNS).where(_HERE, conflict.c.cid == bindparam("cid")))
_OPEN: Final = statement(select(*_COLUMNS).where(_HERE, conflict.c.state == "open").order_by(conflict.c.cid))
_ALL: Final = statement(select(*_COLUMNS).where(_HERE).order_by(conflict.c.cid))
_COUNT: Final = statement(select(func.count()).select_from(conflict).where(_HERE, conflict.c.state == "open"))
_LATER: Final = frozenset({"cid", "resolved_by", "decision", "decided_version"})
_CONCERNED: Final = statement(select(conflict.c.connection, *_COLUMNS).where(conflict.c.cid == bindparam("cid")))
_INSERT: Final = statement(
    insert(conflict).values({column.name: bindparam(column.name) for column in conflict.c if column.name not in _LATER})
)
_UPDATE: Final = statement(
    update(conflict)
    .where(conflict.c.cid == bindparam("cid_"))
    .values({name: bindparam(name) for name in ("base", "local", "remote", "ehr_version", "paths")})
)
_RESOLVE: Final = statement(
    update(conflict)
    .where(conflict.c.cid == bindparam("cid_"), conflict.c.state == "open")
    .values(
        state="resolved", resolved=bindparam("resolved"), resolved_by=bindparam("by"), decision=bindparam("decision")
    )
)
_CAME_OF_IT: Final = statement(
    update(conflict).where(conflict.c.cid == bindparam("cid_")).values(decided_version=bindparam("version"))
)


def record(
    tx: Transaction,
    connection: str,
    type_: str,
    id_: str,
    *,
    base: Resource | None,
    local: Resource | None,
    remote: Resource | None,
    ehr_version: str,
    paths: tuple[str, ...],
    now: int,
) -> None:
    """Keeps a conflict; the open one of the same resource, when there is one, takes the newer copies."""
    values = {
        "base": _text(base),
        "local": _text(local),
        "remote": _text(remote),
        "ehr_version": ehr_version,
        "paths": json.dumps(paths),
    }
    known = open_of(tx, connection, type_, id_)
    if known:
        tx.run(_UPDATE, cid_=known.cid, **values)
    else:
        more = {"connection": connection, "type": type_, "id": id_, "state": "open", "created": now, "resolved": None}
        tx.run(_INSERT, **values, **more)
    _mark(tx, connection, type_, id_, local or remote or base, now)


def _mark(tx: Transaction, connection: str, type_: str, id_: str, resource: Resource | None, now: int) -> None:
    """The patient's coordination state tells of conflicts."""
    spec = CATALOG.get(type_)
    patient = lane(spec, id_, resource) if spec and resource else ""
    if patient:
        projection.mark(tx, connection, [patient.removeprefix("Patient/")], now)


def open_of(tx: Transaction, connection: str, type_: str, id_: str) -> Collision | None:
    """The open conflict of a resource, or None."""
    row = tx.one(_OPEN_OF, connection=connection, type=type_, id=id_)
    return _collision(row) if row else None


def get(tx: Transaction, connection: str, cid: int) -> Collision | None:
    """The conflict of that number, or None."""
    row = tx.one(_ONE, connection=connection, cid=cid)
    return _collision(row) if row else None


def listed(tx: Transaction, connection: str, *, resolved: bool = False) -> list[Collision]:
    """The open conflicts, oldest first; with ``resolved`` also those that were resolved."""
    return [_collision(row) for row in tx.all(_ALL if resolved else _OPEN, connection=connection)]


def count(tx: Transaction, connection: str) -> int:
    """How many conflicts are open."""
    row = tx.one(_COUNT, connection=connection)
    return int(row[0]) if row else 0


def resolve(tx: Transaction, cid: int, now: int, *, by: str = "", decision: str = "") -> bool:
    """Closes a conflict as somebody decided, or because it came to nothing; False when it was closed already."""
    if tx.run(_RESOLVE, cid_=cid, resolved=now, by=by or None, decision=decision or None) != 1:
        return False
    row = tx.one(_CONCERNED, cid=cid)
    if row is not None:
        closed = _collision(row[1:])
        _mark(tx, str(row[0]), closed.type, closed.id, closed.local or closed.remote or closed.base, now)
    return True


def came_of(tx: Transaction, cid: int, version: int) -> None:
    """Notes the version of our copy that a decision led to."""
    tx.run(_CAME_OF_IT, cid_=cid, version=version)


_WHO: Final = statement(
    select(version.c.actor).where(version.c.rid == bindparam("rid"), version.c.version == bindparam("version"))
)


def changed_by(tx: Transaction, rid: int, number: int) -> str:
    """Who made that version of our copy, as the audit names them; "" where there is none."""
    row = tx.one(_WHO, rid=rid, version=number)
    return str(row[0]) if row else ""


def _text(resource: Resource | None) -> bytes | None:
    return codec.dumps(resource) if resource is not None else None


def _collision(row: Row) -> Collision:
    cid, type_, id_, base, local, remote, ehr_version, paths, state, created, resolved, by, decision, version = row
    return Collision(
        int(cid),
        type_,
        id_,
        _resource(base),
        _resource(local),
        _resource(remote),
        ehr_version,
        tuple(json.loads(paths)),
        state,
        int(created),
        None if resolved is None else int(resolved),
        by or "",
        decision or "",
        int(version or 0),
    )


def _resource(body: Any) -> Resource | None:
    made: Resource | None = codec.loads(bytes(body)) if body is not None else None
    return made
