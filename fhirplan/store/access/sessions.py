"""Keeps the sessions of people who opened our pages from a chart: one for each launch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, update

from fhirplan.store import tables
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.access.secrets import digest, same
from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.statements import insertion

AFTERWARDS: Final = 12 * 3_600_000
"""How long after its end, in ms, a session is known to those who were typing when it ended."""
_NOTED: Final = 60_000
"""How far, in ms, what is kept of a session's last use may be behind, so that not each request writes."""
_s: Final = tables.launch_session.c
_INSERT: Final = insertion(tables.launch_session)
_GET: Final = statement(select(*_s).where(_s.sid == bindparam("sid_")))
_UPDATE: Final = statement(
    update(tables.launch_session)
    .where(_s.sid == bindparam("sid_"))
    .values(body=bindparam("body"), renew_at=bindparam("renew_at"), patient=bindparam("patient"))
)
_CLAIM: Final = statement(
    update(tables.launch_session)
    .where(_s.sid == bindparam("sid_"), _s.renew_at == bindparam("seen"))
    .values(renew_at=bindparam("until"))
)
_DELETE: Final = statement(delete(tables.launch_session).where(_s.sid == bindparam("sid_")))
_SWEEP: Final = statement(delete(tables.launch_session).where(_s.expires < bindparam("before")))
_END: Final = statement(
    update(tables.launch_session)
    .where(_s.sid == bindparam("sid_"), _s.expires > bindparam("now"))
    .values(expires=bindparam("now"), body=b"")
)
_USE: Final = statement(
    update(tables.launch_session)
    .where(_s.sid == bindparam("sid_"), _s.used < bindparam("now"))
    .values(used=bindparam("now"))
)
_OF_PERSON: Final = statement(
    select(*_s)
    .where(
        _s.connection == bindparam("connection_"), _s.subject == bindparam("subject_"), _s.expires > bindparam("now")
    )
    .order_by(_s.used.desc(), _s.sid)
)
_STRIP: Final = statement(
    update(tables.launch_session).where(_s.expires <= bindparam("now"), _s.body != b"").values(body=b"")
)
_ALL: Final = statement(select(_s.sid, _s.body))
_RESEAL: Final = statement(
    update(tables.launch_session).where(_s.sid == bindparam("sid_")).values(body=bindparam("body"))
)


@dataclass(frozen=True, slots=True)
class Session:
    """One opening of our pages. ``sid`` is no secret: it stands in addresses and in the cookie's name.

    ``subject`` is who the EHR says the person is, ``fhir_user`` that person as a reference; ``patient`` and
    ``encounter`` are our ids. ``body`` holds the EHR's tokens and the rest of the context. Times are ms; ``used``
    is when the person last asked for something; ``renew_at`` is when the EHR's token is to be renewed, 0 for never.
    """

    sid: str
    connection: str
    subject: str
    fhir_user: str
    patient: str
    encounter: str
    created: int
    expires: int
    used: int
    renew_at: int = 0
    body: dict[str, Any] = field(default_factory=dict, repr=False)


def begin(tx: Transaction, sealer: Sealer, session: Session, secret: str, now: int) -> None:
    """Keeps a new session, known again by ``secret``; of those that ended the tokens are forgotten."""
    tx.run(_SWEEP, before=now - AFTERWARDS)
    tx.run(_STRIP, now=now)
    tx.run(
        _INSERT,
        sid=session.sid,
        digest=digest(secret),
        connection=session.connection,
        subject=session.subject,
        fhir_user=session.fhir_user,
        patient=session.patient,
        encounter=session.encounter,
        body=sealer.seal(json.dumps(session.body).encode()),
        renew_at=session.renew_at,
        created=session.created,
        expires=session.expires,
        used=session.used,
    )


def get(tx: Transaction, sealer: Sealer, sid: str, secret: str, now: int) -> Session | None:
    """The session of that id when the secret is its own and it has not ended, else None."""
    row = tx.one(_GET, sid_=sid)
    if row is None:
        return None
    known = dict(zip(_s.keys(), row, strict=True))
    if not same(secret, known["digest"]) or known["expires"] <= now:
        return None
    return _session(sealer, row)


def of_person(tx: Transaction, sealer: Sealer, connection: str, subject: str, now: int) -> tuple[Session, ...]:
    """The sessions of a person of a connection that have not ended, the one that was used last first."""
    rows = tx.all(_OF_PERSON, connection_=connection, subject_=subject, now=now)
    return tuple(item for row in rows if (item := _session(sealer, row)) is not None)


def is_noted(session: Session, now: int) -> bool:
    """Whether what is kept of a session's last use is near enough to now."""
    return now - session.used < _NOTED


def use(tx: Transaction, sid: str, now: int) -> None:
    """Notes that the person of a session used it."""
    tx.run(_USE, sid_=sid, now=now)


def change(tx: Transaction, sealer: Sealer, session: Session) -> None:
    """Keeps a session's new tokens and patient."""
    body = sealer.seal(json.dumps(session.body).encode())
    tx.run(_UPDATE, sid_=session.sid, body=body, renew_at=session.renew_at, patient=session.patient)


def claim_renewal(tx: Transaction, sid: str, seen: int, until: int) -> bool:
    """Whether this caller is the one to renew what was due at ``seen``; nobody else is before ``until`` (ms)."""
    return bool(tx.run(_CLAIM, sid_=sid, seen=seen, until=until))


def ended(tx: Transaction, sid: str, secret: str, now: int) -> Session | None:
    """The session of that id when the secret is its own and it ended by itself at most AFTERWARDS ago, else None.

    It opens nothing: its body, with the tokens and the context, stays empty.
    """
    row = tx.one(_GET, sid_=sid)
    if row is None:
        return None
    known = dict(zip(_s.keys(), row, strict=True))
    if not same(secret, known["digest"]) or not now - AFTERWARDS < known["expires"] <= now:
        return None
    kept = ("sid", "connection", "subject", "fhir_user", "patient", "encounter", "created", "expires", "used")
    return Session(*(known[name] for name in kept))


def end(tx: Transaction, sid: str, now: int) -> None:
    """Ends a session, and forgets the EHR's tokens; what its person was typing can still be kept for them."""
    tx.run(_END, sid_=sid, now=now)


def forget(tx: Transaction, sid: str) -> None:
    """Forgets a session that its person left."""
    tx.run(_DELETE, sid_=sid)


def reseal(tx: Transaction, sealer: Sealer) -> int:
    """Seals all sessions anew with the newest key; gives their number."""
    rows = tx.all(_ALL)
    for sid, body in rows:
        opened = sealer.open(body)
        if opened is not None:
            tx.run(_RESEAL, sid_=sid, body=sealer.seal(opened))
    return len(rows)


def _session(sealer: Sealer, row: Row) -> Session | None:
    known = dict(zip(_s.keys(), row, strict=True))
    opened = sealer.open(known["body"])
    if opened is None:
        return None
    return Session(
        known["sid"],
        known["connection"],
        known["subject"],
        known["fhir_user"],
        known["patient"],
        known["encounter"],
        known["created"],
        known["expires"],
        known["used"],
        known["renew_at"],
        json.loads(opened),
    )
