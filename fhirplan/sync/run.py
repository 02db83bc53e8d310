"""Runs a whole sync: pull, push, and once more until nothing moves; then says where both sides stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from fhirplan.errors import EhrFailure
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.dates import instant
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts, outbox, receipts, refusals
from fhirplan.sync import breaker
from fhirplan.sync.counting import counted
from fhirplan.sync.drift import look
from fhirplan.sync.pull import pull
from fhirplan.sync.push import push
from fhirplan.sync.refused import sentence
from fhirplan.sync.report import Progress, SyncReport, Tally, silent
from fhirplan.sync.sides import Sides

# Rounds of pull and push after which a side that keeps moving is left for the next sync.
ROUNDS: Final = 6
MOST_REASONS: Final = 20
# For how long at most a sync by hand waits for what can still be undone.
LONGEST_UNDO_MS: Final = 60_000
_STATES: Final = {"waiting": "waiting to be sent", "claimed": "being sent", "parked": "parked"}


def run_sync(
    sides: Sides,
    *,
    dry_run: bool = False,
    full: bool = False,
    once: bool = True,
    progress: Progress = silent,
    wait: Callable[[float], None] | None = None,
) -> SyncReport:
    """Pulls and pushes, with ``once`` again until a round sends nothing; gives what was done and what is left.

    ``full`` lists everything the EHR has in the first round. ``dry_run`` says what would happen and changes nothing.
    What can still be undone stays here, unless ``wait`` is given, which lets so many seconds pass: then it is waited
    for and sent, where that is soon. An EHR that does not answer, or asks not to be called yet, is told in the report,
    not raised.
    """
    began, calls, tally = time.monotonic(), sides.client.calls, Tally()
    drift: tuple[str, ...] = ()
    left_alone = "" if dry_run else breaker.by_hand(sides)
    if left_alone:
        tally.trouble(left_alone)
        return _report(sides, tally, 0, 0.0)
    try:
        if not dry_run:
            with breaker.noted(sides):
                drift = look(sides)
        rounds = 1 if dry_run or not once else ROUNDS
        _rounds(sides, tally, rounds, dry_run=dry_run, full=full, progress=progress)
        if wait is not None and not dry_run and not tally.problems and _waited(sides, wait, progress):
            tally.repeating = True
            _rounds(sides, tally, rounds, dry_run=False, full=False, progress=progress)
    except EhrFailure as error:
        tally.trouble(error.text)
    made = _report(sides, tally, sides.client.calls - calls, time.monotonic() - began)
    return replace(made, drift=drift)


def _rounds(sides: Sides, tally: Tally, most: int, *, dry_run: bool, full: bool, progress: Progress) -> None:
    for number in range(most):
        before = tally.sent()
        tally.problems.clear()
        with _noted(sides, dry_run), counted(sides, pulls=not dry_run):
            pull(sides, tally, full=full and number == 0, again=number == 0, dry=dry_run, progress=progress)
        with counted(sides, pushes=not dry_run):
            push(sides, tally, everything=True, dry=dry_run, progress=progress)
        # What was sent may have changed as the EHR stored it; without that, another round would find nothing.
        if tally.sent() == before or tally.problems:
            return
        tally.repeating = True


def _waited(sides: Sides, wait: Callable[[float], None], progress: Progress) -> bool:
    """Waits until what was saved before now can be undone no longer; False where there is none, or it takes long."""
    now = sides.clock()
    with sides.database.read() as tx:
        until = [end for end in outbox.undoable(tx, sides.connection, now).values() if end - now <= LONGEST_UNDO_MS]
    if not until:
        return False
    progress("waiting for Undo", 0, 0)
    wait((max(until) - now) / 1000)
    return True


def _noted(sides: Sides, dry_run: bool) -> AbstractContextManager[None]:
    return nullcontext() if dry_run else breaker.noted(sides)


def _report(sides: Sides, tally: Tally, calls: int, seconds: float) -> SyncReport:
    with sides.database.read() as tx:
        states = outbox.counts(tx, sides.connection)
        open_conflicts = conflicts.count(tx, sides.connection)
        undoable = outbox.undoable(tx, sides.connection, sides.clock())
        untold = refusals.listed(tx, sides.connection)
        reasons = _reasons(tx, sides.connection, undoable)
    return SyncReport(
        types=tally.types(),
        skipped=tuple(tally.skipped.items()),
        problems=tuple(tally.problems),
        reasons=(*reasons, *(sentence(item) for item in untold[:MOST_REASONS])),
        conflicts=open_conflicts,
        parked=states.get("parked", 0),
        waiting=states.get("waiting", 0) + states.get("claimed", 0),
        calls=calls,
        seconds=seconds,
        undoable=len(undoable),
        untold=len(untold),
    )


def _reasons(tx: Transaction, connection: str, undoable: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """Why each resource waits, is parked or is in conflict; of many only the first."""
    torn = [
        f"{item.type}/{item.id} was changed on both sides: {', '.join(item.paths)}."
        for item in conflicts.listed(tx, connection)
    ]
    rows = {(row.type, row.id): row.state for row in outbox.listed(tx, connection) if row.state != "held"}
    unsent = [
        f"{type_}/{id_} can still be undone and is sent after {instant(undoable[type_, id_])}."
        if (type_, id_) in undoable
        else f"{type_}/{id_} is {_STATES[state]}. {_why(tx, connection, type_, id_)}".strip()
        for (type_, id_), state in list(rows.items())[:MOST_REASONS]
    ]
    return (*torn[:MOST_REASONS], *unsent)


def _why(tx: Transaction, connection: str, type_: str, id_: str) -> str:
    known = receipts.latest(tx, connection, type_, id_)
    said = codec.loads(known.outcome) if known and known.outcome else None
    return " ".join(issue.text for issue in outcome.issues(said))
