"""Calls to an EHR keep within their rate, over threads, and are not slowed where no rate is set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from fhirplan.ehr.budget import PATIENCE, Budget, Urgency, budget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, _moved: threading.Condition, seconds: float) -> None:
        self.now += seconds


def spent(rate: float, calls: int, burst: int) -> float:
    clock = Clock()
    held = Budget(rate, burst=burst, clock=lambda: clock.now, wait=clock.wait)
    for _ in range(calls):
        held.spend()
    return clock.now - 100.0


def test_calls_beyond_the_burst_keep_to_the_rate() -> None:
    assert spent(10.0, calls=5, burst=5) == 0
    assert abs(spent(10.0, calls=105, burst=5) - 10.0) < 0.2


def test_no_rate_is_no_wait() -> None:
    assert spent(0.0, calls=10_000, burst=1) == 0


def test_a_pause_does_not_save_up_more_than_the_burst() -> None:
    clock = Clock()
    held = Budget(1.0, burst=3, clock=lambda: clock.now, wait=clock.wait)
    clock.now += 1000
    began = clock.now
    for _ in range(4):
        held.spend()
    assert clock.now - began == 1.0


def test_sessions_of_one_ehr_share_their_budget() -> None:
    assert budget("http://ehr/fhir", 5.0) is budget("http://ehr/fhir", 5.0)
    assert budget("http://ehr/fhir", 5.0) is not budget("http://other/fhir", 5.0)


class Queue:
    """Threads that wait for calls, let go one after the other by a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.moved: threading.Condition | None = None
        self.budget = Budget(1.0, burst=1, clock=lambda: self.now, wait=self._wait)
        self.served: list[str] = []
        self.threads: list[threading.Thread] = []
        self.budget.spend()

    def _wait(self, moved: threading.Condition, _seconds: float) -> None:
        self.moved = moved
        moved.wait(10)

    def ask(self, urgency: Urgency, name: str = "") -> None:
        def work() -> None:
            self.budget.spend(urgency)
            self.served.append(name or urgency)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append(thread)
        until(lambda: len(self.budget._waiting) == len(self.threads) - len(self.served))

    def go(self, seconds: float = 1.0) -> None:
        """Lets one more call be made."""
        before = len(self.served)
        assert self.moved is not None
        with self.moved:
            self.now += seconds
            self.moved.notify_all()
        until(lambda: len(self.served) > before)


def until(met: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if met():
            return
        time.sleep(0.005)
    raise AssertionError("it never came")


def test_the_open_chart_goes_first_then_what_is_sent_and_pulls_come_last() -> None:
    queue = Queue()
    for urgency in ("pull", "pull", "push", "push", "chart"):
        queue.ask(urgency)
    for _ in range(5):
        queue.go()
    assert queue.served == ["chart", "push", "push", "pull", "pull"]


def test_a_pull_that_has_waited_long_is_overtaken_no_more() -> None:
    queue = Queue()
    queue.ask("pull")
    queue.now += PATIENCE["pull"] - PATIENCE["push"] + 0.1
    queue.ask("push")
    queue.go()
    queue.go()
    assert queue.served == ["pull", "push"]


def test_who_gives_up_waiting_holds_up_nobody() -> None:
    def wait(_moved: threading.Condition, _seconds: float) -> None:
        raise KeyboardInterrupt

    held = Budget(1.0, burst=1, clock=lambda: 100.0, wait=wait)
    held.spend()
    with pytest.raises(KeyboardInterrupt):
        held.spend("chart")
    assert held._waiting == []
