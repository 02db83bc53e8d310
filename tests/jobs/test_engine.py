"""Passes as tasks: at most so many of one run at once in a process, and one that fails makes room again."""

from __future__ import annotations

import threading

import pytest
from huey import MemoryHuey

from fhirplan.jobs.engine import _task


@pytest.mark.parametrize("at_once", [1, 2])
def test_one_pass_too_many_is_dropped_and_there_is_room_again_at_the_end(at_once: int) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        begun.release()
        assert go_on.wait(10)
        raise LookupError

    task = _task(MemoryHuey(), "push", run, at_once)
    threads = [threading.Thread(target=task.call_local) for _ in range(at_once)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=10)
    task.call_local()
    assert len(runs) == at_once
    go_on.set()
    for thread in threads:
        thread.join()
    task.call_local()
    assert len(runs) == at_once + 1
