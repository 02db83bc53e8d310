"""Keeps what each EHR offered when it was last probed, and what has changed since somebody last looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from fhirplan.fhir import codec
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import offer

_GET: Final = statement(
    select(offer.c.offered, offer.c.drift, offer.c.probed).where(offer.c.connection == bindparam("connection"))
)
_INSERT: Final = statement(insert(offer).values({column.name: bindparam(column.name) for column in offer.c}))
_UPDATE: Final = statement(
    update(offer)
    .where(offer.c.connection == bindparam("connection_"))
    .values({name: bindparam(name) for name in ("offered", "drift", "probed")})
)


@dataclass(frozen=True, slots=True)
class Offer:
    """``offered`` is each thing the EHR offers, in words, and how; ``drift`` each thing that changed, and since when.

    ``drift`` gives for each thing what was, "" for nothing, and the instant (ms) at which it was found changed.
    """

    offered: Mapping[str, str]
    drift: Mapping[str, tuple[str, int]]
    probed: int


def of(tx: Transaction, connection: str) -> Offer | None:
    """What is known of a connection's EHR, None before it was first probed."""
    row = tx.one(_GET, connection=connection)
    if row is None:
        return None
    drift = {thing: (str(was), int(at)) for thing, (was, at) in codec.loads(row[1]).items()}
    return Offer(codec.loads(row[0]), drift, int(row[2]))


def put(tx: Transaction, connection: str, item: Offer) -> None:
    """Keeps what was found, over what was known."""
    values = {
        "offered": codec.dumps(dict(item.offered)).decode(),
        "drift": codec.dumps({thing: list(was) for thing, was in item.drift.items()}).decode(),
        "probed": item.probed,
    }
    if not tx.run(_UPDATE, connection_=connection, **values):
        tx.run(_INSERT, connection=connection, **values)
