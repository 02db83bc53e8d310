"""Has SQLite's write-ahead log copied into the database in the background, so that no request has to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from fhirplan.errors import FhirplanError
from fhirplan.telemetry import log

_log: Final = log("store")


class Checkpointing:
    """Counts the rows that this process has changed and has ``copy`` called, on a thread of its own, when many have.

    A copy that fails is logged and tried again when as many rows have changed once more.
    """

    def __init__(self, copy: Callable[[], object], every: int) -> None:
        self._copy: Final = copy
        self._every: Final = every
        self._rows = 0
        self._due = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def changed(self, rows: int) -> None:
        """Takes note of rows that were changed."""
        self._rows += rows
        if self._rows < self._every:
            return
        self._rows = 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
            self._thread.start()
        self._due.set()

    def stop(self) -> None:
        """Returns once no copy is under way; there is none afterwards."""
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
                self._copy()
            except (sqlite3.Error, OSError, FhirplanError) as error:
                _log.warning("checkpoint failed", error=type(error).__qualname__)
