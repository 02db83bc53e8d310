"""The gunicorn worker that serves: it takes no more than its share of the connections, and waits for no slow client.

All workers of gunicorn wait at one socket, and whichever wakes first takes every connection that is there. Clients and
proxies keep connections open, so one process could do all the work for as long as they do, and the others none.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from fhirplan.web import slow_clients

_SLOT: Final = struct.Struct("dd")
_SLOTS: Final = 64
# A worker that has said nothing for so many seconds counts no longer; gunicorn's loop comes round each second.
_SILENT: Final = 2.5
# Seconds until a connection that is left to the others is looked for again, and how often it is left to them.
_PAUSE: Final = 0.0005
_PATIENCE: Final = 20
# Of each worker, when it last said how many connections it has; shared because it is made before gunicorn forks.
_told: Final = mmap.mmap(-1, _SLOT.size * _SLOTS)


class EvenWorker(ThreadWorker):  # type: ignore[misc]
    """A ``gthread`` worker that leaves new connections to workers with fewer, for at most some ten milliseconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = 0

    def notify(self) -> None:
        """Says that this worker is alive, and how many connections it has; called on each turn of its loop."""
        super().notify()
        _tell(self.age, self.nr_conns)

    def accept(self, listener: Any) -> None:
        """Takes a connection unless another worker has fewer."""
        if self._left < _PATIENCE and self.nr_conns > fewest(self.age):
            self._left += 1
            time.sleep(_PAUSE)
            return
        self._left = 0
        super().accept(listener)
        _tell(self.age, self.nr_conns)


class ServingWorker(slow_clients.Worker, EvenWorker):
    """Both: its share of the connections, and a thread only for requests that are all there."""


def _tell(age: int, connections: int) -> None:
    _SLOT.pack_into(_told, age % _SLOTS * _SLOT.size, time.monotonic(), connections)


def fewest(age: int) -> float:
    """The connections of the other worker that has the fewest; infinite where there is no other."""
    since = time.monotonic() - _SILENT
    told = (_SLOT.unpack_from(_told, slot * _SLOT.size) for slot in range(_SLOTS) if slot != age % _SLOTS)
    return min((connections for at, connections in told if at > since), default=float("inf"))
