"""Names the points between which a worker can die, so that a test can have it die there. Does nothing otherwise.

``FHIRPLAN_TEST_KILL=answered:3`` ends the process as ``kill -9`` does, the third time that point is reached.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, get_args

_Pushing = Literal["claimed", "sending", "answered", "settling", "settled", "noticing", "noticed"]
_Pulling = Literal["taking", "taken", "moving", "moved"]
Point = _Pushing | _Pulling
PUSHING: Final[tuple[Point, ...]] = get_args(_Pushing)
"""claimed: the rows are ours; sending: before a write; answered: after its reply; settling: before the commit that
says what became of it; settled: after that. noticing and noticed: before and after the commit of an EHR's copy that
was met on the way."""
PULLING: Final[tuple[Point, ...]] = get_args(_Pulling)
"""taking and taken: before and after the commit of a page, or of one resource that was asked for; moving and moved:
before and after that of the checkpoint."""
VARIABLE: Final = "FHIRPLAN_TEST_KILL"


def _nothing(_point: Point) -> None:
    return None


_reached: Callable[[Point], None] = _nothing


def reached(point: Point) -> None:
    """Says that a worker has come to a point."""
    _reached(point)


def arm(action: Callable[[Point], None] | None) -> None:
    """Has ``action`` called at every point from now on; None ends that. For tests only."""
    global _reached
    _reached = action or _nothing


def killer(script: str) -> Callable[[Point], None]:
    """What kills this process at the point and the time that ``point:number`` says."""
    name, _, number = script.partition(":")
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def action(point: Point) -> None:
        with lock:
            counted[point] += 1
            if point == name and counted[point] == int(number or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    return action


if VARIABLE in os.environ:
    arm(killer(os.environ[VARIABLE]))
