"""Stops calling an EHR that fails again and again, and tries it with one call when the pause is over.

The state is a row in the database, so that all workers of a connection stop together and one of them tries again.

    closed      calls are made; failures in a row are counted, a success forgets them
    open        as many failures in a row as the setting says, or the EHR asked for a pause (Retry-After): no calls
    half open   the pause is over: one worker makes one call; it closes the circuit or begins a pause twice as long
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Literal

from fhirplan.errors import EhrUnavailable
from fhirplan.fhir.dates import instant
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import circuits
from fhirplan.store.sync.circuits import Circuit
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

FIRST_PAUSE_MS: Final = 2_000
# The longest that an EHR is heeded when it asks for a pause; a time further ahead comes from a clock that was wrong.
LONGEST_ASKED_MS: Final = 3_600_000
_log = log("sync.breaker")


State = Literal["free", "shaky", "probe", "open"]


def lets(tx: Transaction, sides: Sides) -> State:
    """Whether a call may be made now: ``open`` says no.

    ``free``: nothing failed lately; ``shaky``: something did, so tell what comes of the call; ``probe``: the pause is
    over and this caller alone is let through, so tell it, too.
    """
    known = circuits.of(tx, sides.connection)
    now = sides.clock()
    if known is None:
        return "free"
    if not known.until:
        return "shaky"
    if is_open(known, now):
        return "open"
    return "probe" if circuits.probe(tx, known, now + int(sides.timeout * 2000)) else "open"


def is_open(known: Circuit | None, now: int) -> bool:
    """Whether calls are held back at that time, in milliseconds since 1970."""
    return known is not None and now < known.until <= now + 2 * LONGEST_ASKED_MS


def failed(sides: Sides, error: EhrUnavailable, *, probing: bool = False) -> bool:
    """Notes a call without a usable answer; gives whether no more calls are to be made now."""
    with sides.database.write() as tx:
        tx.alone(f"circuit {sides.connection}")
        now = sides.clock()
        known = circuits.of(tx, sides.connection) or Circuit(sides.connection, since=now)
        counted = replace(known, failures=known.failures + 1, reason=error.text[:500])
        made = _paused(sides, counted, error, now, probing=probing)
        circuits.put(tx, made)
    if made.until != known.until:
        _log.warning("not called for a while", connection=sides.connection, failures=made.failures, until=made.until)
    return is_open(made, now)


def _paused(sides: Sides, known: Circuit, error: EhrUnavailable, now: int, *, probing: bool) -> Circuit:
    """The circuit after one more failure: closed still, or with a new pause."""
    made = known
    if probing or (known.failures >= sides.failures_before_pause and not is_open(known, now)):
        pause = min(known.pause * 2 or FIRST_PAUSE_MS, int(sides.longest_pause * 1000))
        made = replace(known, pause=pause, until=now + int(pause * (0.75 + sides.chance() / 2)), asked=False)
    asked = min(int((error.retry_after or 0) * 1000), LONGEST_ASKED_MS)
    if asked and now + asked > made.until:
        made = replace(made, until=now + asked, asked=True)
    return made


def answered(sides: Sides) -> None:
    """Notes a call that was answered: the circuit is closed again."""
    with sides.database.write() as tx:
        circuits.clear(tx, sides.connection)


def by_hand(sides: Sides) -> str:
    """Lets a person try at once. Gives why not, in a sentence, where the EHR itself asked for a pause; else ""."""
    with sides.database.write() as tx:
        known = circuits.of(tx, sides.connection)
        now = sides.clock()
        if known is None or not is_open(known, now):
            return ""
        if known.asked:
            return f"The EHR asks not to be called before {instant(known.until)}."
        circuits.put(tx, replace(known, until=0))
    return ""


@contextmanager
def guarded(sides: Sides) -> Iterator[bool]:
    """Whether work that calls the EHR may begin; what comes of it is noted. Raises what the work raises."""
    with sides.database.write() as tx:
        state = lets(tx, sides)
    if state == "open":
        yield False
        return
    try:
        yield True
    except EhrUnavailable as error:
        failed(sides, error, probing=state == "probe")
        raise
    if state != "free":
        answered(sides)


@contextmanager
def noted(sides: Sides) -> Iterator[None]:
    """Notes what comes of work that a person has asked for. Raises what the work raises."""
    try:
        yield
    except EhrUnavailable as error:
        failed(sides, error)
        raise
    with sides.database.read() as tx:
        known = circuits.of(tx, sides.connection)
    if known is not None:
        answered(sides)


def told(known: Circuit, now: int) -> str:
    """The state of a circuit in a sentence."""
    if is_open(known, now):
        why = "as it asked" if known.asked else f"since {known.failures} calls in a row failed"
        return f"The EHR is not called before {instant(known.until)}, {why}. {known.reason}".strip()
    return f"The last {known.failures} calls to the EHR failed. {known.reason}".strip()
