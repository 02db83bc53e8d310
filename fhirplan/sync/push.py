"""Sends our changes to the EHR: referenced resources first, each resource once, whatever dies in between.

A worker claims all waiting changes of one resource, sends its newest version and settles them in one transaction. A
claim that was interrupted leaves the outcome unknown; whoever claims it next looks at the EHR before sending again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable, FhirplanError, Issue
from fhirplan.fhir import codec, outcome
from fhirplan.store import conflicts, links, outbox, receipts, versions
from fhirplan.store.engine import Transaction
from fhirplan.store.outbox import Entry
from fhirplan.store.receipts import Receipt
from fhirplan.sync import deliver
from fhirplan.sync.absorb import MISSHAPEN
from fhirplan.sync.deliver import Delivery, Job
from fhirplan.sync.identity import targets
from fhirplan.sync.report import Progress, Tally, silent
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

BATCH: Final = 200
# Unanswered calls in a row before a pass gives up, since the EHR is down and not just slow with one resource.
PATIENCE: Final = 3
DEEPEST: Final = 50
FIRST_WAIT_MS: Final = 1_000
LONGEST_WAIT_MS: Final = 3_600_000
_FOREVER: Final = 2**53
# A resource that was merged on the way is sent a second time.
_SENDINGS: Final = 2
_log = log("sync.push")

_Key = tuple[str, str]


@dataclass(slots=True)
class _Run:
    """One pass over the outbox."""

    sides: Sides
    tally: Tally
    tried: set[_Key] = field(default_factory=set)
    unanswered: int = 0
    repeated: set[_Key] = field(default_factory=set)

    def again(self, type_: str, id_: str) -> None:
        """Lets a resource be sent once more in this pass, and not for ever."""
        if (type_, id_) not in self.repeated:
            self.repeated.add((type_, id_))
            self.tried.discard((type_, id_))

    def gives_up(self) -> bool:
        """Whether the EHR has been silent too often in a row."""
        return self.unanswered >= PATIENCE


def push(
    sides: Sides,
    tally: Tally,
    *,
    everything: bool = False,
    dry: bool = False,
    progress: Progress = silent,
) -> None:
    """Sends what is due; with ``everything`` also what waits for a later time. ``dry`` only counts.

    What fails is kept in the outbox, with its receipt. Raises EhrFailure only when the EHR does not even tell what it
    can do.
    """
    run = _Run(sides, tally)
    before = _FOREVER if everything else sides.clock()
    if dry:
        _count_only(run, before)
        return
    sweep(sides)
    while not run.gives_up() and (batch := _due(run, before)):
        for number, key in enumerate(batch):
            if run.gives_up():
                break
            progress("push", number, len(batch))
            _send(run, key, ())
    if run.gives_up():
        tally.trouble("The EHR does not answer, so the remaining changes wait.")


def sweep(sides: Sides) -> None:
    """Frees what was claimed by workers that are dead or have overrun their lease."""
    dead = sides.presence.dead() if sides.presence else []
    with sides.database.write() as tx:
        for worker in dead:
            outbox.free(tx, worker)
        outbox.sweep(tx, sides.connection, sides.clock())
    for worker in dead:
        if sides.presence:
            sides.presence.forget(worker)


def push_now(sides: Sides, type_: str, id_: str) -> Receipt:
    """Sends one resource, with what it refers to, and waits for the EHR's answer; gives the receipt.

    The receipt says sent, waiting (no answer, or somebody else is sending it), parked or conflict.
    """
    run = _Run(sides, Tally())
    try:
        for _ in range(_SENDINGS):
            if (type_, id_) in run.tried:
                break
            _send(run, (type_, id_), ())
    except EhrFailure as error:
        _log.warning("not sent", connection=sides.connection, type=type_, id=id_, error=type(error).__name__)
    with sides.database.read() as tx:
        current = versions.current(tx, sides.connection, type_, id_)
        number = current.version if current else 0
        known = receipts.latest(tx, sides.connection, type_, id_)
    if known is not None and known.version >= number:
        return known
    return Receipt(None, type_, id_, number, "none", "waiting", at=sides.clock())


def _due(run: _Run, before: int) -> list[_Key]:
    with run.sides.database.read() as tx:
        found = outbox.due(tx, run.sides.connection, before, BATCH + len(run.tried))
    return [key for key in found if key not in run.tried]


def _send(run: _Run, key: _Key, waiting: tuple[_Key, ...]) -> None:
    """Sends one resource after those it refers to; ``waiting`` are those that wait for this one."""
    if key in run.tried or run.gives_up():
        return
    run.tried.add(key)
    missing = _unsent_targets(run, key)
    for target in missing:
        if len(waiting) < DEEPEST:
            _send(run, target, (*waiting, key))
    if missing:
        missing = _unsent_targets(run, key)
    if any(target not in waiting for target in missing):
        _say_waiting(run, key, missing[0])
        return
    until = run.sides.clock() + lease_ms(run.sides.timeout)
    rows = _claim(run, key, until)
    if rows:
        job = Job(key[0], key[1], attempts=max(row.attempts for row in rows), until=until)
        _settle(run, rows, _deliver(run, job), again=bool(missing))


def _unsent_targets(run: _Run, key: _Key) -> list[_Key]:
    """What a resource refers to that the EHR does not have yet and that is on its way there.

    A target that is parked or held is not waited for: the reference to it goes by our identifier.
    """
    with run.sides.database.read() as tx:
        current = versions.current(tx, run.sides.connection, *key)
        if current is None or current.deleted:
            return []
        named = targets(run.sides.border, current.resource())
        return [target for target in named if _is_on_its_way(run, tx, target)]


def _is_on_its_way(run: _Run, tx: Transaction, target: _Key) -> bool:
    name = run.sides.connection
    if links.their_id(tx, name, *target):
        return False
    return any(row.state in ("waiting", "claimed") for row in outbox.unsettled(tx, name, *target))


def _claim(run: _Run, key: _Key, until: int) -> tuple[Entry, ...]:
    sides = run.sides
    with sides.database.write() as tx:
        if conflicts.open_of(tx, sides.connection, *key):
            outbox.hold(tx, sides.connection, *key)
            return ()
        return outbox.claim(tx, sides.connection, *key, worker=sides.worker, lease_until=until)


def lease_ms(timeout: float) -> int:
    """How long a claim holds: longer than all the calls one delivery may make."""
    return int(timeout * 1000) * 10 + 30_000


def _deliver(run: _Run, job: Job) -> Delivery:
    """Delivers, and turns a failure into what becomes of the row."""
    try:
        made = deliver.deliver(run.sides, job)
    except EhrUnavailable as error:
        run.unanswered += 1
        return _later(run, job, error)
    except EhrRejected as error:
        run.unanswered = 0
        said = error.outcome or outcome.outcome(error.issues)
        return Delivery("parked", "none", reason=codec.dumps(said).decode())
    except (FhirplanError, *MISSHAPEN) as error:
        run.unanswered = 0
        return _later(run, job, error)
    run.unanswered = 0
    return made


def _later(run: _Run, job: Job, error: Exception) -> Delivery:
    """Due again, later each time, at no time that many others share, and not before the EHR allows it."""
    wait = min(FIRST_WAIT_MS * 2 ** min(job.attempts - 1, 20), LONGEST_WAIT_MS)
    wait = int(wait * (0.5 + run.sides.chance()))
    issues: tuple[Issue, ...] = (Issue("error", "structure", "The EHR's answer is not shaped as FHIR."),)
    if isinstance(error, FhirplanError):
        wait = max(wait, int((error.retry_after or 0) * 1000))
        issues = error.issues
    reason = codec.dumps(outcome.outcome(issues)).decode()
    _log.warning("not delivered", connection=run.sides.connection, type=job.type, id=job.id, error=type(error).__name__)
    return Delivery("waiting", "none", reason=reason, due=run.sides.clock() + wait)


def _settle(run: _Run, rows: tuple[Entry, ...], made: Delivery, *, again: bool) -> None:
    """Writes what became of the rows, with their receipts; ``again``: some references went by identifier only."""
    sides, row = run.sides, rows[-1]
    state = {"sent": "done", "conflict": "held"}.get(made.state, made.state)
    with sides.database.write() as tx:
        kept = [
            entry for entry in rows if outbox.finish(tx, entry, sides.worker, state, due=made.due, outcome=made.reason)
        ]
        for entry in kept:
            receipts.put(tx, sides.connection, _receipt(entry, made, sides.clock()))
        if again and kept and made.state == "sent" and made.route in ("create", "update"):
            _once_more(run, tx, row)
        elif (
            kept
            and state == "done"
            and any(item.state == "waiting" for item in outbox.unsettled(tx, sides.connection, row.type, row.id))
        ):
            # Edits of both sides were merged meanwhile, or another edit came in.
            run.again(row.type, row.id)
    if made.state == "sent" and made.route in ("create", "update", "delete"):
        run.tally.add(row.type, {"create": "created", "update": "updated", "delete": "deleted"}[made.route])


def _once_more(run: _Run, tx: Transaction, row: Entry) -> None:
    """Has a resource of a circle sent again, once what it refers to is in the EHR."""
    outbox.put(
        tx,
        run.sides.connection,
        row.type,
        row.id,
        rid=row.rid,
        version=row.version,
        method="update",
        lane=row.lane,
        now=run.sides.clock(),
    )
    run.tried.discard((row.type, row.id))


def _receipt(entry: Entry, made: Delivery, now: int) -> Receipt:
    return Receipt(
        entry.oid,
        entry.type,
        entry.id,
        entry.version,
        made.route,
        made.state,
        made.ehr_id,
        made.ehr_version,
        made.reason,
        now,
    )


def _say_waiting(run: _Run, key: _Key, target: _Key) -> None:
    """The receipt of a change that waits for another one."""
    text = f"It is sent as soon as the EHR has {target[0]}/{target[1]}, which it refers to."
    said = outcome.outcome([Issue("information", "transient", text)])
    made = Delivery("waiting", "none", reason=codec.dumps(said).decode())
    sides = run.sides
    with sides.database.write() as tx:
        for entry in outbox.unsettled(tx, sides.connection, *key):
            if entry.state == "waiting":
                receipts.put(tx, sides.connection, _receipt(entry, made, sides.clock()))


def _count_only(run: _Run, before: int) -> None:
    """What a push would send, by the state of our own record."""
    sides = run.sides
    with sides.database.read() as tx:
        for type_, id_ in outbox.due(tx, sides.connection, before, _FOREVER):
            current = versions.current(tx, sides.connection, type_, id_)
            link = links.by_id(tx, sides.connection, type_, id_)
            known = link is not None and link.agreed
            if current is None or (current.deleted and not known):
                continue
            run.tally.add(type_, "deleted" if current.deleted else "updated" if known else "created")
