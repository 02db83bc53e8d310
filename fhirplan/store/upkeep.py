"""Has the database kept in shape in the background when much has been written, so that no request has to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from fhirplan.telemetry import log

_log: Final = log("store")


class Upkeep:
    """Counts the rows that this process has written and calls ``act``, on a thread of its own, after ``every`` so many.

    Each time, ``every`` becomes ``growth`` times as many. What fails, by one of the ``failures``, is logged and done
    again the next time.
    """

    def __init__(
        self, act: Callable[[], object], failures: tuple[type[Exception], ...], every: int, growth: int = 1
    ) -> None:
        self._act: Final = act
        self._failures: Final = failures
        self._every = every
        self._growth: Final = growth
        self._rows = 0
        self._due = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def changed(self, rows: int) -> None:
        """Takes note of rows that were written."""
        self._rows += rows
        if self._rows < self._every:
            return
        self._rows = 0
        self._every *= self._growth
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
            self._thread.start()
        self._due.set()

    def stop(self) -> None:
        """Returns once nothing is under way; nothing is afterwards."""
        self._stopped = True
        self._due.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._stopped:
                return
            try:
                self._act()
            except self._failures as error:
                _log.warning("upkeep failed", error=type(error).__qualname__)
