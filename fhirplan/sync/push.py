"""Sends our changes to the EHR: each resource once, in lanes of patients, several at a time, whatever dies in between.

A worker claims the waiting changes of a resource, or of several of one patient, sends the newest versions and settles
them in one transaction. A claim that was interrupted leaves the outcome unknown; whoever claims it next looks at the
EHR before sending again.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from fhirplan.errors import EhrFailure, EhrUnavailable
from fhirplan.store import versions
from fhirplan.store.sync import circuits, lanes, leases, links, receipts
from fhirplan.store.sync.receipts import Receipt
from fhirplan.sync import breaker
from fhirplan.sync.claims import Run
from fhirplan.sync.order import Key
from fhirplan.sync.patients import ATTENTION_MS
from fhirplan.sync.report import Progress, Tally, silent
from fhirplan.sync.sending import send_one
from fhirplan.sync.sides import Sides
from fhirplan.sync.together import send_lane
from fhirplan.telemetry import log

BATCH: Final = 2_000
# An EHR that failed lately is tried with so many resources, by one thread.
FEW: Final = 20
# How often it is asked within a round whose charts were opened since, as a round may take long at a slow EHR.
_LOOK_AGAIN_MS: Final = 1_000
_FOREVER: Final = 2**53
# A resource that was merged on the way is sent a second time.
_SENDINGS: Final = 2
_log = log("sync.push")


def push(
    sides: Sides,
    tally: Tally,
    *,
    everything: bool = False,
    dry: bool = False,
    progress: Progress = silent,
) -> None:
    """Sends what is due; with ``everything`` also what waits to be tried again later. ``dry`` only counts.

    What can still be undone (``outbound_delay``) is never sent. What fails is kept in the outbox, with its receipt.
    Raises EhrFailure only when the EHR does not even tell what it can do.
    """
    sides.client.matters("push")
    now = sides.clock()
    before = _FOREVER if everything else now
    run = Run(sides, tally, now)
    if dry:
        _count_only(run, before)
        return
    sweep(sides)
    while not run.stopped:
        with sides.database.read() as tx:
            known = circuits.of(tx, sides.connection)
        found = _due(run, before, BATCH if known is None else FEW)
        if not found:
            break
        if breaker.is_open(known, sides.clock()):
            run.stop.set()
        else:
            _learn(sides)
            _work(run, found, progress, alone=known is not None)
    if run.stopped:
        with sides.database.read() as tx:
            known = circuits.of(tx, sides.connection)
        told = f" {breaker.told(known, sides.clock())}" if known else ""
        tally.trouble(f"The EHR does not answer, so the remaining changes wait.{told}")


def _learn(sides: Sides) -> None:
    """Asks what the EHR can do, unless that is known. Raises EhrFailure when it does not say."""
    try:
        sides.client.capabilities()
    except EhrUnavailable as error:
        breaker.failed(sides, error)
        raise


def sweep(sides: Sides) -> None:
    """Frees what was claimed by workers that are dead or have overrun their lease."""
    dead = sides.presence.dead() if sides.presence else []
    with sides.database.write() as tx:
        for worker in dead:
            leases.free(tx, worker)
        leases.sweep(tx, sides.connection, sides.clock())
    for worker in dead:
        if sides.presence:
            sides.presence.forget(worker)


def push_now(sides: Sides, type_: str, id_: str) -> Receipt:
    """Sends one resource, with what it refers to, and waits for the EHR's answer; gives the receipt.

    The receipt says sent, waiting (no answer, or somebody else is sending it), parked or conflict.
    """
    # Its writer waits for the answer.
    sides.client.matters("chart")
    run = Run(sides, Tally())
    try:
        for _ in range(_SENDINGS):
            if (type_, id_) in run.tried:
                break
            send_one(run, (type_, id_))
    except EhrFailure as error:
        _log.warning("not sent", connection=sides.connection, type=type_, id=id_, error=type(error).__name__)
    with sides.database.read() as tx:
        current = versions.current(tx, sides.connection, type_, id_)
        number = current.version if current else 0
        known = receipts.latest(tx, sides.connection, type_, id_)
    if known is not None and known.version >= number:
        return known
    return Receipt(None, type_, id_, number, "none", "waiting", at=sides.clock())


def _due(run: Run, before: int, count: int) -> dict[str, list[Key]]:
    """What is due and was not tried in this pass, by lane: nobody's first, then whose chart is open, then the rest."""
    sides = run.sides
    with sides.database.read() as tx:
        found = lanes.due(tx, sides.connection, before, count + len(run.tried))
        open_charts = lanes.looked_at(tx, sides.connection, sides.clock() - ATTENTION_MS)
    made: dict[str, list[Key]] = {}
    for lane in ("", *open_charts, *(item.lane for item in found)):
        made.setdefault(lane, [])
    for item in found:
        if (item.type, item.id) not in run.tried:
            made[item.lane].append((item.type, item.id))
    return {lane: keys for lane, keys in made.items() if keys}


class _Crew:
    """The threads that work the lanes of one round, each lane by one of them; the caller's thread is one."""

    def __init__(self, run: Run, todo: dict[str, list[Key]], progress: Progress) -> None:
        self._run = run
        self._todo = dict(todo)
        self._open: set[str] = set()
        self._looked = 0
        self._total = sum(map(len, todo.values()))
        self._done = 0
        self._progress = progress
        self._lock = threading.Lock()

    def work(self, threads_wanted: int) -> None:
        """Works all lanes. Raises what a thread raised, once all have ended."""
        more = min(threads_wanted, len(self._todo)) - 1
        with ThreadPoolExecutor(max(more, 1), "lane") as threads:
            beside = [threads.submit(self._beside, number) for number in range(1, more + 1)]
            try:
                self._take(self._run)
            except BaseException:
                self._run.stop.set()
                raise
        for thread in beside:
            thread.result()

    def _take(self, run: Run) -> None:
        while not run.stopped:
            with self._lock:
                if not self._todo:
                    return
                lane = self._next(run.sides)
                keys = self._todo.pop(lane)
                run.sides.client.matters("chart" if lane in self._open else "push")
                self._progress("push", self._done, self._total)
                self._done += len(keys)
            send_lane(run, keys)

    def _next(self, sides: Sides) -> str:
        """The lane to work next: of a patient whose chart was opened meanwhile, else the first that is left."""
        now = sides.clock()
        if now - self._looked >= _LOOK_AGAIN_MS:
            self._looked = now
            with sides.database.read() as tx:
                opened = lanes.looked_at(tx, sides.connection, now - ATTENTION_MS)
            self._open = set(opened)
            first = [lane for lane in opened if lane in self._todo]
            self._todo = {lane: self._todo[lane] for lane in (*first, *self._todo)}
        return next(iter(self._todo))

    def _beside(self, number: int) -> None:
        try:
            sides = self._run.sides.twin(number)
            try:
                self._take(replace(self._run, sides=sides))
            finally:
                sides.leave()
        except BaseException:
            self._run.stop.set()
            raise


def _work(run: Run, found: dict[str, list[Key]], progress: Progress, *, alone: bool) -> None:
    """One round over the lanes. What belongs to no patient goes first, since the others may refer to it."""
    nobodys = found.pop("", None)
    if nobodys:
        send_lane(run, nobodys)
    if found and not run.stopped:
        _Crew(run, found, progress).work(1 if alone else run.sides.lanes)


def _count_only(run: Run, before: int) -> None:
    """What a push would send, by the state of our own record."""
    sides = run.sides
    with sides.database.read() as tx:
        for item in lanes.due(tx, sides.connection, before, _FOREVER):
            current = versions.current(tx, sides.connection, item.type, item.id)
            link = links.by_id(tx, sides.connection, item.type, item.id)
            known = link is not None and link.agreed
            if current is None or (current.deleted and not known):
                continue
            run.tally.add(item.type, "deleted" if current.deleted else "updated" if known else "created")
