"""Keeps what clients were granted, says whether it still stands, and which assertions were used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, or_, select, update

from fhirplan.store import tables
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion

_g: Final = tables.access_grant.c
_INSERT: Final = insertion(tables.access_grant)
_GET: Final = statement(select(*_g).where(_g.gid == bindparam("gid_")))
_LIVE: Final = statement(
    select(_g.gid)
    .select_from(tables.access_grant.outerjoin(tables.client, tables.client.c.client_id == _g.client_id))
    .where(_g.gid == bindparam("gid_"), _g.revoked.is_(None), _g.expires > bindparam("now"))
    .where(or_(tables.client.c.client_id.is_(None), tables.client.c.disabled.is_(None)))
)
_OF_PERSON: Final = statement(
    select(*_g)
    .where(_g.expires > bindparam("now"), _g.revoked.is_(None))
    .where(_g.connection == bindparam("connection_"), _g.subject == bindparam("subject_"))
    .order_by(_g.created.desc(), _g.gid)
)
_REVOKE: Final = statement(
    update(tables.access_grant)
    .where(_g.gid == bindparam("gid_"), _g.revoked.is_(None))
    .values(revoked=bindparam("now"))
)
_REVOKE_ALL: Final = statement(
    update(tables.access_grant)
    .where(_g.client_id == bindparam("client_id_"), _g.revoked.is_(None))
    .values(revoked=bindparam("now"))
)
_SWEEP: Final = statement(delete(tables.access_grant).where(_g.expires < bindparam("before")))
_s: Final = tables.seen_assertion.c
_SEEN: Final = insertion(tables.seen_assertion, or_ignore=True)
_FORGET: Final = statement(delete(tables.seen_assertion).where(_s.expires < bindparam("now")))
_KEPT: Final = 7 * 86_400_000
"""Milliseconds for which a grant is kept after its end."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one client was let do. ``subject`` is the person, the client itself where no person is; times are ms.

    ``patient`` and ``encounter`` are our ids, ``fhir_user`` a reference such as Practitioner/x; "" where there is none.
    """

    gid: str
    connection: str
    client_id: str
    subject: str
    fhir_user: str
    scope: str
    patient: str
    encounter: str
    created: int
    expires: int
    revoked: int | None = None


def add(tx: Transaction, grant: Grant) -> None:
    """Keeps a new grant, and forgets those that ended a week before."""
    tx.run(_SWEEP, before=grant.created - _KEPT)
    tx.run(_INSERT, **{name: getattr(grant, name) for name in Grant.__slots__})


def get(tx: Transaction, gid: str) -> Grant | None:
    """The grant of that id, or None."""
    row = tx.one(_GET, gid_=gid)
    return Grant(*row) if row is not None else None


def live(tx: Transaction, gid: str, now: int) -> bool:
    """Whether a grant stands: known, not ended, not revoked, and its client not disabled."""
    return tx.one(_LIVE, gid_=gid, now=now) is not None


def of_person(tx: Transaction, connection: str, subject: str, now: int) -> list[Grant]:
    """What a person has let apps do and has not ended, the latest first."""
    return [Grant(*row) for row in tx.all(_OF_PERSON, connection_=connection, subject_=subject, now=now)]


def revoke(tx: Transaction, gid: str, now: int) -> None:
    """Ends a grant, and with it all its tokens."""
    tx.run(_REVOKE, gid_=gid, now=now)


def revoke_client(tx: Transaction, client_id: str, now: int) -> int:
    """Ends all grants of a client; gives their number."""
    return tx.run(_REVOKE_ALL, client_id_=client_id, now=now)


def use_once(tx: Transaction, issuer: str, jti: str, *, expires: int, now: int) -> bool:
    """Whether an issuer's assertion was not used before; it is now, until it ends by itself."""
    tx.run(_FORGET, now=now)
    return bool(tx.run(_SEEN, issuer=issuer, jti=jti, expires=expires))
