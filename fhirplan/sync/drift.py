"""Notices when an EHR no longer offers what it did, as after an upgrade there, and tells until somebody has looked."""

from __future__ import annotations

from dataclasses import replace

from fhirplan.ehr import offered
from fhirplan.store.engine import Database
from fhirplan.store.sync import offers
from fhirplan.store.sync.offers import Offer
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

_log = log("sync.drift")


def look(sides: Sides, *, anew: bool = False) -> tuple[str, ...]:
    """Compares what the EHR offers with what it did, keeps it, and gives in sentences what is not as it was.

    ``anew`` asks the EHR even if that was done lately. Raises EhrFailure when the EHR does not tell.
    """
    found = sides.client.capabilities(max_age=0.0) if anew else sides.client.capabilities()
    types = [type_ for type_, spec in sides.catalog.items() if spec.sync != "none"]
    now = offered.things(found, sides.vendor(), types)
    with sides.database.write() as tx:
        tx.alone(f"offer {sides.connection}")
        known = offers.of(tx, sides.connection)
        made = _moved(known, now, sides.clock())
        offers.put(tx, sides.connection, made)
    fresh = [thing for thing in made.drift if known is not None and thing not in known.drift]
    for thing in fresh:
        said = offered.said(thing, made.drift[thing][0], now.get(thing, ""))
        _log.warning("the EHR has changed", connection=sides.connection, said=said)
    return told(made)


def _moved(known: Offer | None, now: dict[str, str], at: int) -> Offer:
    """What is known after a look: what changed first keeps its time, and what is as it was again is forgotten."""
    if known is None:
        return Offer(now, {}, at)
    before = {**known.offered, **{thing: was for thing, (was, _) in known.drift.items()}}
    drift = {
        thing: (was, known.drift[thing][1] if thing in known.drift else at)
        for thing, (was, _) in offered.changes({k: v for k, v in before.items() if v}, now).items()
    }
    return Offer(now, drift, at)


def told(known: Offer) -> tuple[str, ...]:
    """What is not as it was, in sentences, what changed first before the rest."""
    changed = sorted(known.drift.items(), key=lambda item: (item[1][1], item[0]))
    return tuple(offered.said(thing, was, known.offered.get(thing, "")) for thing, (was, _) in changed)


def known_drift(database: Database, connection: str) -> Offer | None:
    """What the last look found, without asking the EHR; None before the first."""
    with database.read() as tx:
        return offers.of(tx, connection)


def accept(database: Database, connection: str) -> None:
    """Takes what the EHR offers now for what it is to offer."""
    with database.write() as tx:
        known = offers.of(tx, connection)
        if known is not None:
            offers.put(tx, connection, replace(known, drift={}))


def is_due(database: Database, connection: str, before: int) -> bool:
    """Whether the last look was before an instant, in milliseconds."""
    with database.read() as tx:
        known = offers.of(tx, connection)
    return known is None or known.probed < before
