"""Keeps our calls to an EHR within a rate, over all threads of a process: many EHRs document none, and still mind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Budget:
    """At most ``rate`` calls a second on average, of which ``burst`` may come at once; 0 is no limit."""

    def __init__(
        self,
        rate: float,
        *,
        burst: int = 10,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step = 1.0 / rate if rate > 0 else 0.0
        self._ahead = self._step * max(burst - 1, 0)
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def spend(self) -> None:
        """Waits until one more call may be made."""
        if not self._step:
            return
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now - self._ahead)
            wait = self._next - now
            self._next += self._step
        if wait > 0:
            self._sleep(wait)


_shared: dict[tuple[str, float], Budget] = {}
_sharing = threading.Lock()


def budget(base: str, rate: float) -> Budget:
    """The budget for an EHR, the same for all sessions of this process."""
    with _sharing:
        return _shared.setdefault((base, rate), Budget(rate))
