"""Keeps our calls to an EHR within a rate, over all threads of a process: many EHRs document none, and still mind.

Where calls have to wait, the one goes first that matters most to somebody who waits for it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

# Whose sake a call is for: somebody who has the patient's chart open, a change of ours, a look at what changed there.
Urgency = Literal["chart", "push", "pull"]
PATIENCE: Final[Mapping[Urgency, float]] = {"chart": 0.0, "push": 10.0, "pull": 30.0}
"""Seconds by which later calls of more urgency may overtake one, so that nothing waits for ever."""
Wait = Callable[[threading.Condition, float], object]


class Budget:
    """At most ``rate`` calls a second on average, of which ``burst`` may come at once; 0 is no limit.

    ``wait`` waits so many seconds on a condition that is held, or until it is notified.
    """

    def __init__(
        self,
        rate: float,
        *,
        burst: int = 10,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Condition.wait,
    ) -> None:
        self._step = 1.0 / rate if rate > 0 else 0.0
        self._ahead = self._step * max(burst - 1, 0)
        self._clock, self._wait = clock, wait
        self._moved = threading.Condition()
        self._next = 0.0
        self._waiting: list[tuple[float, int]] = []
        self._numbers = itertools.count()

    def spend(self, urgency: Urgency = "push") -> None:
        """Waits until one more call may be made, and no other that waits should go before it."""
        if not self._step:
            return
        with self._moved:
            turn = self._clock() + PATIENCE[urgency], next(self._numbers)
            heapq.heappush(self._waiting, turn)
            try:
                while (left := self._left()) > 0 or self._waiting[0] != turn:
                    self._wait(self._moved, left if left > 0 else self._step)
                self._next += self._step
            finally:
                self._waiting.remove(turn)
                heapq.heapify(self._waiting)
                self._moved.notify_all()

    def _left(self) -> float:
        now = self._clock()
        self._next = max(self._next, now - self._ahead)
        return self._next - now


_shared: dict[tuple[str, float], Budget] = {}
_sharing = threading.Lock()


def budget(base: str, rate: float) -> Budget:
    """The budget for an EHR, the same for all sessions of this process."""
    with _sharing:
        return _shared.setdefault((base, rate), Budget(rate))
