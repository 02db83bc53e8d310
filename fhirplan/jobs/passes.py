"""One pass of each kind: pull, push, project, notify, tidy. Each may run at any time, any number of times, anywhere."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fhirplan.notify.delivery import deliver
from fhirplan.notify.fan_out import fan_out
from fhirplan.notify.notifying import Notifying
from fhirplan.projection.project import Projecting, project_due
from fhirplan.store import subscribers
from fhirplan.store.engine import Database
from fhirplan.store.sync import leases, notices, outbox
from fhirplan.sync import breaker
from fhirplan.sync.counting import counted
from fhirplan.sync.drift import is_due, look
from fhirplan.sync.notices import fetch
from fhirplan.sync.pull import pull
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

_log = log("jobs")


def pull_pass(sides: Sides, folder: Path) -> bool:
    """Takes in what changed in the EHR; False when another process of this machine is at it, or the EHR is left alone.

    Two pulls at once would do no harm, only the same work twice. Raises EhrFailure when the EHR does not answer.
    """
    with turn(folder / f"pull-{sides.connection}.lock") as mine:
        if not mine:
            return False
        tally = Tally()
        with breaker.guarded(sides) as may:
            if may:
                with counted(sides, pulls=True):
                    pull(sides, tally)
        _say("pulled", sides, tally)
        return may


def notice_pass(sides: Sides, folder: Path) -> bool:
    """Fetches what the EHR gave notice of; False when a process of this machine pulls, or the EHR is left alone.

    Raises EhrUnavailable when the EHR does not answer; what was not fetched waits.
    """
    with turn(folder / f"pull-{sides.connection}.lock") as mine:
        if not mine:
            return False
        tally = Tally()
        with breaker.guarded(sides) as may:
            if may:
                with counted(sides):
                    fetch(sides, tally)
        _say("fetched", sides, tally)
        return may


def has_notices(database: Database, connection: str) -> bool:
    """Whether the EHR gave notice of anything that was not fetched yet."""
    with database.read() as tx:
        return notices.waits(tx, connection)


def probe_pass(sides: Sides) -> None:
    """Looks at what the EHR offers; what changed is logged and kept. Raises EhrFailure when it does not tell."""
    with breaker.guarded(sides) as may:
        if may:
            with counted(sides):
                look(sides, anew=True)


def probe_is_due(database: Database, connection: str, before: int) -> bool:
    """Whether nobody has looked at what the EHR offers since an instant, in milliseconds."""
    return is_due(database, connection, before)


def push_pass(sides: Sides) -> bool:
    """Sends what is due; False when nothing is. Several may run at once: each row is claimed by one."""
    if not has_work(sides.database, sides.connection, sides.clock()):
        return False
    tally = Tally()
    with counted(sides, pushes=True):
        push(sides, tally)
    _say("pushed", sides, tally)
    return True


def has_work(database: Database, connection: str, now: int) -> bool:
    """Whether a push pass would find something, by one look into the outbox."""
    with database.read() as tx:
        return leases.has_work(tx, connection, now)


def project_pass(to: Projecting) -> bool:
    """Brings the coordination state of patients up to date that changed or whose time has come; False for none.

    Several may run at once: what is computed twice is written once.
    """
    return project_due(to) > 0


def notify_pass(to: Notifying) -> bool:
    """Tells subscribers what changed; False when there was nothing to tell. Several may run at once."""
    looked = sent = 0
    while some := fan_out(to):
        looked += some
    while some := deliver(to):
        sent += some
    return bool(looked or sent)


def tidy_pass(database: Database, connections: Iterable[str] = (), before: int = 0, told_before: int = 0) -> None:
    """Removes from the outbox what was sent, and events of subscribers, of before two instants (ms).

    Empties SQLite's log, so that no request has to.
    """
    for connection in connections:
        with database.write() as tx:
            subscribers.purge(tx, connection, told_before)
        more = True
        while more:
            with database.write() as tx:
                more = outbox.purge(tx, connection, before) > 0
    database.checkpoint()


@contextmanager
def turn(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether this process may go ahead; with ``wait`` it may, once nobody else is.

    A killed process gives its turn back, since the kernel does it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)


def _say(done: str, sides: Sides, tally: Tally) -> None:
    for item in tally.types():
        counts = {key: getattr(item, key) for key in type(item).__slots__ if key != "type" and getattr(item, key)}
        if counts.keys() - {"unchanged", "echo"}:
            _log.info(done, connection=sides.connection, type=item.type, **counts)
    if tally.problems:
        _log.warning("not in agreement", connection=sides.connection, problems=len(tally.problems))
