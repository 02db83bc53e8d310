"""Decides when passes run: a timer puts messages into huey's queue, and huey's workers run what they name.

A message only says "run this pass"; the truth about what is to be done is in the database. So a lost message is made
up for by the next tick, and a doubled one finds nothing to do.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from huey import Huey
from huey.consumer import Consumer, Scheduler

from fhirplan.errors import EhrFailure
from fhirplan.jobs.passes import (
    has_notices,
    has_work,
    notice_pass,
    notify_pass,
    probe_is_due,
    probe_pass,
    project_pass,
    pull_pass,
    push_pass,
    tidy_pass,
)
from fhirplan.jobs.queue import opened
from fhirplan.notify.delivery import waits
from fhirplan.notify.notifying import Notifying
from fhirplan.projection.project import Projecting, waiting
from fhirplan.settings import Connection, Settings
from fhirplan.store.engine import Database
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

# Threads for what calls no EHR, and for each EHR as many as may call it at once, so that a long pull, or an EHR that
# hangs, leaves room for the rest.
WORKERS: Final = 2
AT_AN_EHR: Final = 3
# Push passes at once: a second one takes what came in while the first works through a long list.
PUSHES: Final = 2
TIDY_INTERVAL: Final = 30.0
# Seconds between two looks whether a probe is due; one that failed is tried again then.
PROBE_LOOK: Final = 60.0
# How long a worker thread sleeps at most before it looks into the queue again, in seconds.
LONGEST_NAP: Final = 0.25
_log = log("jobs")


@dataclass(frozen=True, slots=True)
class Timed:
    """A pass, the seconds between two looks at it, and whether there is anything to do for it."""

    task: Any
    interval: float
    wanted: Callable[[], bool] = lambda: True


def consumer(
    settings: Settings,
    database: Database,
    open_sides: Callable[[Connection, str], Sides],
    projecting: Callable[[Connection], Projecting],
    notifying: Callable[[Connection], Notifying],
) -> Consumer:
    """The worker, ready to ``run()`` until SIGTERM or SIGINT.

    ``open_sides(connection, worker)`` makes the sides of a connection for a worker of that name; each thread has its
    own. ``projecting(connection)`` gives what keeps the coordination state of its patients current,
    ``notifying(connection)`` what tells its subscribers. Of a connection without an EHR nothing is pulled or pushed.
    Raises Misconfigured when the queue cannot be used.
    """
    queue = opened(settings)
    sides = _PerThread(open_sides)
    names = [connection.name for connection in settings.all_connections]
    keep_ms, told_ms = (int(days * 86_400_000) for days in (settings.outbox_retention_days, settings.subscription_days))

    def tidy() -> None:
        tidy_pass(database, names, _now() - keep_ms, _now() - told_ms)

    timed = [Timed(_task(queue, "tidy", tidy), TIDY_INTERVAL)]
    for connection in settings.all_connections:
        timed.append(_projection(queue, settings, projecting(connection)))
        timed.append(_notification(queue, settings, notifying(connection)))
        if connection.ehr_url:
            timed += _of_connection(queue, settings, connection, database, sides)
    return _Consumer(
        queue,
        timed,
        workers=WORKERS + AT_AN_EHR * sum(bool(connection.ehr_url) for connection in settings.all_connections),
        periodic=False,
        initial_delay=0.05,
        max_delay=LONGEST_NAP,
        graceful_signal="TERM",
    )


def _projection(queue: Huey, settings: Settings, to: Projecting) -> Timed:
    run = _task(queue, f"project {to.connection}", lambda: project_pass(to))
    return Timed(run, settings.project_interval, lambda: waiting(to))


def _notification(queue: Huey, settings: Settings, to: Notifying) -> Timed:
    run = _task(queue, f"notify {to.connection}", lambda: notify_pass(to))
    return Timed(run, settings.push_interval, lambda: waits(to))


def _of_connection(
    queue: Huey, settings: Settings, connection: Connection, database: Database, sides: _PerThread
) -> list[Timed]:
    def pull() -> None:
        pull_pass(sides.of(connection), settings.data_dir)

    def push() -> None:
        push_pass(sides.of(connection))

    def notices() -> None:
        notice_pass(sides.of(connection), settings.data_dir)

    def probe() -> None:
        probe_pass(sides.of(connection))

    def probe_wanted() -> bool:
        before = time.time_ns() // 1_000_000 - int(connection.ehr_probe_interval * 1000)
        return probe_is_due(database, connection.name, before)

    return [
        Timed(
            _task(queue, f"notices {connection.name}", notices),
            settings.push_interval,
            lambda: has_notices(database, connection.name),
        ),
        Timed(_task(queue, f"probe {connection.name}", probe), PROBE_LOOK, probe_wanted),
        Timed(_task(queue, f"pull {connection.name}", pull), connection.pull_interval),
        Timed(
            _task(queue, f"push {connection.name}", push, at_once=PUSHES),
            settings.push_interval,
            lambda: has_work(database, connection.name, _now()),
        ),
    ]


def _task(queue: Huey, name: str, run: Callable[[], Any], at_once: int = 1) -> Any:
    """A pass as a huey task, of which at most so many run at once in this process; one too many is dropped.

    Whatever goes wrong in it is logged, and the next tick tries again.
    """
    running = threading.BoundedSemaphore(at_once)

    def guarded() -> None:
        if not running.acquire(blocking=False):
            return
        try:
            run()
        except EhrFailure as error:
            _log.warning("the EHR failed", task=name, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one failing pass must not end the worker
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
            _log.error("a pass failed", task=name, error=type(error).__name__, at=place)
        finally:
            running.release()

    return queue.task(name=name)(guarded)


class _PerThread:
    """The sides that each thread works with, since an HTTP session is not shared between threads."""

    def __init__(self, open_sides: Callable[[Connection, str], Sides]) -> None:
        self._open = open_sides
        self._local = threading.local()

    def of(self, connection: Connection) -> Sides:
        """The sides of a connection in this thread."""
        known: dict[str, Sides] = self._local.__dict__.setdefault("sides", {})
        if connection.name not in known:
            known[connection.name] = self._open(connection, _worker_name())
        return known[connection.name]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _worker_name() -> str:
    """Names a worker so that no two that run at the same time, on any machine, have the same name."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


class _Timer(Scheduler):  # type: ignore[misc] # huey has no types
    """Puts each pass into the queue when its interval is over, unless it stands there already."""

    process_name = "Timer"

    def __init__(self, queue: Huey, stop_flag: Any, timed: list[Timed]) -> None:
        super().__init__(huey=queue, stop_flag=stop_flag, interval=1, periodic=False)
        self._timed = timed
        self._next: dict[str, float] = {}

    def loop(self, now: Any = None) -> None:
        """One tick: enqueue what is due, then sleep until the next is."""
        clock = time.monotonic()
        due = [item for item in self._timed if self._next.get(item.task.task_class.__name__, 0.0) <= clock]
        if due:
            self._enqueue(due, clock)
        soonest = min(self._next.values(), default=clock + 1.0)
        self.stop_flag.wait(max(soonest - time.monotonic(), 0.01))

    def _enqueue(self, due: list[Timed], clock: float) -> None:
        try:
            waiting = {message.name for message in self.huey.pending()}
            for item in due:
                name = item.task.task_class.__name__
                self._next[name] = clock + item.interval
                if name not in waiting and item.wanted():
                    item.task()
        except Exception as error:  # noqa: BLE001 - a busy queue is tried again at the next tick
            _log.warning("the queue failed", error=type(error).__name__)
            self.stop_flag.wait(LONGEST_NAP)


class _Consumer(Consumer):  # type: ignore[misc] # huey has no types
    """huey's consumer with our timer in place of its own, which counts in whole minutes."""

    def __init__(self, queue: Huey, timed: list[Timed], **options: Any) -> None:
        self._timed = timed
        logging.getLogger("huey").setLevel(logging.WARNING)
        super().__init__(queue, **options)

    def _create_scheduler(self) -> _Timer:
        return _Timer(self.huey, self.stop_flag, self._timed)
