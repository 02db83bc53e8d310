"""Counts the requests of each route and how long they took, over all processes that were forked from one.

Each process counts in a row of its own in memory that they share, so that whichever of them is asked tells the sum. A
process that comes in place of a dead one goes on with its row. Paths are told by their shape only, never as they came.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the buckets of seconds; one more bucket has what took longer."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
# What follows the base of the FHIR API (R4 section 3.1.0).
_FHIR: Final = (
    *("", "metadata", "_search", "_history", ".well-known/smart-configuration", "$operation"),
    *("[type]", "[type]/_search", "[type]/_history", "[type]/$operation"),
    *("[type]/[id]", "[type]/[id]/_history", "[type]/[id]/_history/[version]", "[type]/[id]/$operation"),
)
_FHIR_ROUTES: Final = {shape: f"/fhir/{shape}".rstrip("/") for shape in _FHIR}
OTHER: Final = "other"
_READ: Final = ("[type]", "[id]")
_READ_ROUTE: Final = _FHIR_ROUTES["/".join(_READ)]
_NO_ID: Final = ("", "$", "_")
_ROWS: Final = 128
"""Processes that are counted at once."""
_BUCKETS: Final = len(BOUNDS) + 1
_WIDTH: Final = len(CLASSES) + _BUCKETS + 1
_NUMBER: Final = 8
Counted = tuple[str, str, tuple[int, ...], tuple[int, ...], float]
"""Route, method, how many by CLASSES, how many by BOUNDS and beyond, and seconds in all."""


class Traffic:
    """The counts. A path of ``paths`` is a route of its own; of others their first part is, where ``groups`` has it."""

    def __init__(
        self,
        paths: Iterable[str] = (),
        groups: Iterable[str] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._paths, self._groups = frozenset(paths), frozenset(groups)
        routes = [*self._paths, *(f"/{name}/…" for name in self._groups), *_FHIR_ROUTES.values(), OTHER]
        names = [(route, method) for route in dict.fromkeys(sorted(routes)) for method in METHODS]
        self._place = {name: number * _WIDTH for number, name in enumerate(names)}
        self._length = len(names) * _WIDTH
        # The first number of a row is the process that counts there; pages that nobody writes to take no memory.
        self._shared = mmap.mmap(-1, _ROWS * (self._length + 1) * _NUMBER)
        self._numbers = memoryview(self._shared).cast("Q")
        self._claiming = multiprocessing.get_context("fork").Lock()
        self._lock = threading.Lock()
        self._process, self._row = 0, -1

    def route(self, path: str) -> str:
        """The route of a path."""
        if path in self._paths:
            return path
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "fhir":
            return _fhir(rest)
        if first in self._groups:
            return f"/{first}/…"
        base, _, below = rest.partition("/")
        return _fhir(below) if base == "fhir" else OTHER

    def add(self, path: str, method: str, status: int, seconds: float) -> None:
        """Counts one request."""
        name = self.route(path), method if method in METHODS else "other"
        place = self._place[name]
        with self._lock:
            if self._process != os.getpid():
                self._process, self._row = os.getpid(), self._claimed(os.getpid())
            if self._row < 0:
                return
            begin = self._row * (self._length + 1) + 1 + place
            self._numbers[begin + min(max(status // 100, 2), 5) - 2] += 1
            self._numbers[begin + len(CLASSES) + bisect_left(BOUNDS, seconds)] += 1
            self._numbers[begin + _WIDTH - 1] += int(max(seconds, 0.0) * 1_000_000)

    def counted(self) -> Iterator[Counted]:
        """The sums over all processes, of what was asked for at all."""
        for (route, method), place in self._place.items():
            made = [0] * _WIDTH
            for row in range(_ROWS):
                start = row * (self._length + 1)
                if self._numbers[start]:
                    begin = start + 1 + place
                    made = [one + other for one, other in zip(made, self._numbers[begin : begin + _WIDTH], strict=True)]
            if any(made):
                by_class, by_time = made[: len(CLASSES)], made[len(CLASSES) : -1]
                yield route, method, tuple(by_class), tuple(by_time), made[-1] / 1_000_000

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """The application, with each of its requests counted."""

        def counting(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            began, status = self._clock(), [500]

            def begin(line: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
                status[0] = int(line[:3])
                return start_response(line, headers, *rest)

            try:
                return app(environ, begin)
            finally:
                took = self._clock() - began
                self.add(environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"], status[0], took)

        return counting

    def _claimed(self, process: int) -> int:
        """The first row that nobody counts in, or that a dead process counted in; -1 when all are taken."""
        with self._claiming:
            for row in range(_ROWS):
                start = row * (self._length + 1)
                if not _alive(self._numbers[start]):
                    self._numbers[start] = process
                    return row
        return -1


def _fhir(rest: str) -> str:
    parts = rest.split("/") if rest else []
    if len(parts) == len(_READ) and parts[0][:1].isupper() and parts[1][:1] not in _NO_ID:
        # Nearly every request.
        return _READ_ROUTE
    shape = "/".join(_part(number, part, parts) for number, part in enumerate(parts))
    return _FHIR_ROUTES.get(shape, OTHER)


def _part(number: int, part: str, parts: list[str]) -> str:
    if part.startswith("$"):
        return "$operation"
    if part.startswith(("_", ".")) or part in ("metadata", "smart-configuration"):
        return part
    return "[type]" if number == 0 else "[version]" if parts[number - 1] == "_history" else "[id]"


def _alive(process: int) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
