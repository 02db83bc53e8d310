"""Tells which workers of this machine are alive, so that what a killed one had claimed need not wait for its lease.

Each worker holds a lock on a file of its name for as long as it lives; the kernel takes the lock back when it dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Presence:
    """The workers' lock files in one folder. Workers of other machines have none there: nothing is known of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def announce(self, worker: str) -> None:
        """Says that a worker of this process is alive, until the process ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path(worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held[worker] = file

    def retire(self, worker: str) -> None:
        """Takes back ``announce``, for a worker that has ended in order and holds no claim."""
        self._path(worker).unlink(missing_ok=True)
        os.close(self._held.pop(worker))

    def is_dead(self, worker: str) -> bool:
        """Whether a worker ran on this machine and is no more; False when it lives or nothing is known of it."""
        path = self._path(worker)
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    def dead(self) -> list[str]:
        """The workers of this machine that are no more."""
        return [path.stem for path in self._folder.glob("*.alive") if self.is_dead(path.stem)]

    def forget(self, worker: str) -> None:
        """Removes what is left of a dead worker, once its claims are free."""
        self._path(worker).unlink(missing_ok=True)

    def _path(self, worker: str) -> Path:
        return self._folder / f"{worker}.alive"
