"""Claims changes for a worker, prolongs the claim while it sends them, and gives back what it did not send."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts, leases, outbox
from fhirplan.store.sync.outbox import Entry
from fhirplan.sync import breaker
from fhirplan.sync.delivery import ClaimLost
from fhirplan.sync.order import Key
from fhirplan.sync.points import reached
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides


@dataclass(slots=True)
class Run:
    """One pass over the outbox, as one of its threads works it; the threads share all but ``sides`` and ``state``.

    ``before`` is an instant: what can still be undone then is not sent; None where that does not matter. ``stop`` is
    set when the EHR is not to be called any more, ``singly`` when it takes no transactions after all.
    """

    sides: Sides
    tally: Tally
    before: int | None = None
    tried: set[Key] = field(default_factory=set)
    repeated: set[Key] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    singly: threading.Event = field(default_factory=threading.Event)
    state: breaker.State = "free"

    def again(self, key: Key) -> None:
        """Lets a resource be sent once more in this pass, and not for ever."""
        if key not in self.repeated:
            self.repeated.add(key)
            self.tried.discard(key)

    @property
    def stopped(self) -> bool:
        """Whether the EHR is not to be called any more in this pass."""
        return self.stop.is_set()


def claim(run: Run, keys: Iterable[Key]) -> dict[Key, tuple[Entry, ...]]:
    """Takes the changes of these resources for this worker, those that are to be had, unless the EHR is left alone."""
    sides = run.sides
    until = sides.clock() + lease_ms(sides.timeout)
    taken: dict[Key, tuple[Entry, ...]] = {}
    with sides.database.write() as tx:
        for key in keys:
            if conflicts.open_of(tx, sides.connection, *key):
                outbox.hold(tx, sides.connection, *key)
            elif rows := leases.claim(
                tx, sides.connection, *key, worker=sides.worker, lease_until=until, before=run.before
            ):
                taken[key] = rows
        if taken and run.state != "probe":
            run.state = breaker.lets(tx, sides)
        if run.state == "open":
            release(run, tx, taken.values())
            run.tried.difference_update(taken)
            run.stop.set()
            return {}
    if taken:
        reached("claimed")
    return taken


def release(run: Run, tx: Transaction, claimed: Iterable[Sequence[Entry]]) -> None:
    """Gives rows back as if they had not been claimed."""
    for rows in claimed:
        for row in rows:
            leases.release(tx, row.oid, run.sides.worker)


def hold(run: Run) -> None:
    """Prolongs the claims of this worker before a write, once half their time is over.

    Raises ClaimLost when it has none any more.
    """
    sides, now = run.sides, run.sides.clock()
    lease = lease_ms(sides.timeout)
    with sides.database.read() as tx:
        until = leases.held_until(tx, sides.connection, sides.worker)
    if until and until - now < lease // 2:
        with sides.database.write() as tx:
            until = leases.renew(tx, sides.connection, sides.worker, now + lease)
    if not until:
        raise ClaimLost
    reached("sending")


def lease_ms(timeout: float) -> int:
    """How long a claim holds: longer than the calls between two renewals may take."""
    return int(timeout * 1000) * 10 + 30_000
