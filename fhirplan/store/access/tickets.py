"""Hands out secrets that are brought back once: codes, refresh tokens, states, launches. Only digests are kept.

What a ticket stands for is sealed. A ticket that was used stays until it ends, so that a second use is known as one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import bindparam, delete, select, update

from fhirplan.store import tables
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.access.secrets import digest, new_secret
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion

Kind = Literal["code", "refresh", "state", "launch", "request", "login"]
_t: Final = tables.ticket.c
_INSERT: Final = insertion(tables.ticket)
_WHICH: Final = (_t.kind == bindparam("kind_"), _t.digest == bindparam("digest_"))
_GET: Final = statement(select(_t.gid, _t.body, _t.expires, _t.used).where(*_WHICH))
_USE: Final = statement(update(tables.ticket).where(*_WHICH, _t.used.is_(None)).values(used=bindparam("now")))
_SWEEP: Final = statement(delete(tables.ticket).where(_t.expires < bindparam("now")))
_ALL: Final = statement(select(_t.kind, _t.digest, _t.body))
_RESEAL: Final = statement(update(tables.ticket).where(*_WHICH).values(body=bindparam("body_")))


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was brought back: the grant it belongs to, what it stands for, and whether this was its first use in time.

    ``state`` is ``good``, ``used`` (before) or ``expired``.
    """

    gid: str
    body: dict[str, Any]
    state: Literal["good", "used", "expired"]


def issue(
    tx: Transaction, sealer: Sealer, kind: Kind, body: dict[str, Any], *, expires: int, now: int, gid: str = ""
) -> str:
    """A new secret that stands for ``body`` until ``expires`` (ms)."""
    tx.run(_SWEEP, now=now)
    secret = new_secret()
    sealed = sealer.seal(json.dumps(body).encode())
    tx.run(_INSERT, kind=kind, digest=digest(secret), gid=gid, body=sealed, expires=expires, used=None)
    return secret


def look(tx: Transaction, sealer: Sealer, kind: Kind, secret: str, now: int) -> Ticket | None:
    """The ticket of a secret without using it; None for an unknown one."""
    row = tx.one(_GET, kind_=kind, digest_=digest(secret))
    if row is None:
        return None
    opened = sealer.open(row[1])
    if opened is None:
        return None
    state: Literal["good", "used", "expired"] = "used" if row[3] is not None else "good" if row[2] > now else "expired"
    return Ticket(row[0], json.loads(opened), state)


def redeem(tx: Transaction, sealer: Sealer, kind: Kind, secret: str, now: int) -> Ticket | None:
    """The ticket of a secret, which is now used; of two callers at the same moment one alone finds it ``good``."""
    first = bool(tx.run(_USE, kind_=kind, digest_=digest(secret), now=now))
    found = look(tx, sealer, kind, secret, now)
    if found is None or not first:
        return found
    row = tx.one(_GET, kind_=kind, digest_=digest(secret))
    return Ticket(found.gid, found.body, "good" if row is not None and row[2] > now else "expired")


def reseal(tx: Transaction, sealer: Sealer) -> int:
    """Seals all tickets anew with the newest key; gives their number."""
    rows = tx.all(_ALL)
    for kind, known, body in rows:
        opened = sealer.open(body)
        if opened is not None:
            tx.run(_RESEAL, kind_=kind, digest_=known, body_=sealer.seal(opened))
    return len(rows)
