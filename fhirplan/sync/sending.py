"""Sends one resource and notes what became of it; what every way of sending shares: settling and receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.errors import EhrRejected, EhrUnavailable, FhirplanError, Issue
from fhirplan.fhir import codec, outcome
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import leases, links, outbox, receipts
from fhirplan.store.sync.outbox import Entry
from fhirplan.store.sync.receipts import Receipt
from fhirplan.sync import breaker, deliver
from fhirplan.sync.absorb import MISSHAPEN
from fhirplan.sync.claims import Run, claim, hold
from fhirplan.sync.delivery import ClaimLost, Delivery, Job
from fhirplan.sync.identity import targets
from fhirplan.sync.order import Key
from fhirplan.sync.points import reached
from fhirplan.telemetry import log

DEEPEST: Final = 50
FIRST_WAIT_MS: Final = 1_000
LONGEST_WAIT_MS: Final = 3_600_000
_DONE: Final[Mapping[str, str]] = {"create": "created", "update": "updated", "delete": "deleted"}
_log = log("sync.push")


@dataclass(frozen=True, slots=True)
class Made:
    """What became of the rows of one resource; ``again``: some references went by identifier only."""

    rows: tuple[Entry, ...]
    delivery: Delivery
    again: bool = False


def send_one(run: Run, key: Key, waiting: tuple[Key, ...] = ()) -> None:
    """Sends one resource after those it refers to; ``waiting`` are those that wait for this one."""
    if key in run.tried or run.stopped:
        return
    run.tried.add(key)
    missing = unsent_targets(run, key)
    for target in missing:
        if len(waiting) < DEEPEST:
            send_one(run, target, (*waiting, key))
    if missing:
        missing = unsent_targets(run, key)
    if any(target not in waiting for target in missing):
        say_waiting(run, key, missing[0])
        return
    claimed = claim(run, [key])
    if key in claimed:
        deliver_claimed(run, key, claimed[key], again=bool(missing))


def unsent_targets(run: Run, key: Key) -> list[Key]:
    """What a resource refers to that the EHR does not have yet and that is on its way there.

    A target that is parked or held is not waited for: the reference to it goes by our identifier.
    """
    with run.sides.database.read() as tx:
        current = versions.current(tx, run.sides.connection, *key)
        if current is None or current.deleted:
            return []
        named = targets(run.sides.border, current.resource())
        return [target for target in named if is_on_its_way(run, tx, target)]


def is_on_its_way(run: Run, tx: Transaction, target: Key) -> bool:
    """Whether a resource is to be sent and the EHR does not have it yet."""
    name = run.sides.connection
    if links.their_id(tx, name, *target):
        return False
    return any(row.state in ("waiting", "claimed") for row in outbox.unsettled(tx, name, *target))


def deliver_claimed(run: Run, key: Key, rows: tuple[Entry, ...], *, again: bool, in_doubt: bool = False) -> None:
    """Delivers a claimed resource by itself; ``in_doubt``: it may have landed already, so look first."""
    attempts = max(row.attempts for row in rows)
    job = Job(*key, attempts=max(attempts, 2) if in_doubt else attempts, hold=lambda: hold(run))
    made = _delivered(run, job)
    if made is not None:
        settle(run, [Made(rows, made, again)])


def _delivered(run: Run, job: Job) -> Delivery | None:
    """Delivers, and turns a failure into what becomes of the row; None when the claim was lost."""
    try:
        made = deliver.deliver(run.sides, job)
    except ClaimLost:
        return None
    except EhrUnavailable as error:
        silent(run, error)
        return later(run, (job.type, job.id), job.attempts, error)
    except EhrRejected as error:
        heard(run)
        said = error.outcome or outcome.outcome(error.issues)
        return Delivery("parked", "none", reason=codec.dumps(said).decode())
    except (FhirplanError, *MISSHAPEN) as error:
        heard(run)
        return later(run, (job.type, job.id), job.attempts, error)
    heard(run)
    reached("answered")
    return made


def silent(run: Run, error: EhrUnavailable) -> None:
    """Notes that the EHR gave no usable answer; too often in a row, and the pass stops."""
    if breaker.failed(run.sides, error, probing=run.state == "probe"):
        run.stop.set()
    run.state = "shaky"


def heard(run: Run) -> None:
    """Notes that the EHR answered."""
    if run.state != "free":
        breaker.answered(run.sides)
        run.state = "free"


def later(run: Run, key: Key, attempts: int, error: Exception) -> Delivery:
    """Due again, later each time, at no time that many others share, and not before the EHR allows it."""
    wait = min(FIRST_WAIT_MS * 2 ** min(attempts - 1, 20), LONGEST_WAIT_MS)
    wait = int(wait * (0.5 + run.sides.chance()))
    issues: tuple[Issue, ...] = (Issue("error", "structure", "The EHR's answer is not shaped as FHIR."),)
    if isinstance(error, FhirplanError):
        wait = max(wait, int((error.retry_after or 0) * 1000))
        issues = error.issues
    reason = codec.dumps(outcome.outcome(issues)).decode()
    _log.warning("not delivered", connection=run.sides.connection, type=key[0], id=key[1], error=type(error).__name__)
    return Delivery("waiting", "none", reason=reason, due=run.sides.clock() + wait)


def settle(run: Run, made: Sequence[Made]) -> None:
    """Writes in one transaction what became of claimed rows: links, states, receipts.

    What cannot be noted of one resource does not keep the others from being noted.
    """
    try:
        _settled(run, made)
    except (FhirplanError, *MISSHAPEN) as error:
        if len(made) > 1:
            for item in made:
                settle(run, [item])
        elif made[0].delivery.landing is not None:
            row = made[0].rows[-1]
            settle(run, [Made(made[0].rows, later(run, (row.type, row.id), row.attempts, error))])
        else:
            raise
    reached("settled")


def _settled(run: Run, made: Sequence[Made]) -> None:
    sides = run.sides
    with sides.database.write() as tx:
        kept = [(item, rows) for item in made if (rows := _finished(run, tx, item))]
        landings = [item.delivery.landing for item, _ in kept if item.delivery.landing is not None]
        unkept = deliver.note(sides.ids(tx), landings, sides.merging)
        for item, rows in kept:
            for entry in rows:
                said = unkept.get((entry.type, entry.id)) or item.delivery.reason
                receipts.put(tx, sides.connection, _receipt(entry, replace(item.delivery, reason=said), sides.clock()))
            _follow_up(run, tx, item)
        reached("settling")
    for item, rows in kept:
        if item.delivery.state == "sent" and item.delivery.route in _DONE:
            run.tally.add(rows[0].type, _DONE[item.delivery.route])


def _finished(run: Run, tx: Transaction, item: Made) -> list[Entry]:
    """Ends the claim; gives the rows that were still ours."""
    made, now = item.delivery, run.sides.clock()
    state = {"sent": "done", "conflict": "held"}.get(made.state, made.state)
    due = now if state == "done" else made.due
    return [row for row in item.rows if leases.finish(tx, row, run.sides.worker, state, due=due, outcome=made.reason)]


def _follow_up(run: Run, tx: Transaction, item: Made) -> None:
    """Has a resource sent once more where that is needed to end in agreement."""
    made, row = item.delivery, item.rows[-1]
    if made.state != "sent":
        return
    if item.again and made.route in ("create", "update"):
        _once_more(run, tx, row)
    elif any(one.state == "waiting" for one in outbox.unsettled(tx, run.sides.connection, row.type, row.id)):
        # Edits of both sides were merged meanwhile, or another edit came in.
        run.again((row.type, row.id))


def _once_more(run: Run, tx: Transaction, row: Entry) -> None:
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


def say_waiting(run: Run, key: Key, target: Key) -> None:
    """The receipt of a change that waits for another one."""
    text = f"It is sent as soon as the EHR has {target[0]}/{target[1]}, which it refers to."
    said = outcome.outcome([Issue("information", "transient", text)])
    made = Delivery("waiting", "none", reason=codec.dumps(said).decode())
    sides = run.sides
    with sides.database.write() as tx:
        for entry in outbox.unsettled(tx, sides.connection, *key):
            if entry.state == "waiting":
                receipts.put(tx, sides.connection, _receipt(entry, made, sides.clock()))
