"""Calls to an EHR keep within their rate, over threads, and are not slowed where no rate is set."""

from __future__ import annotations

from fhirplan.ehr.budget import Budget, budget


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def spent(rate: float, calls: int, burst: int) -> float:
    time = Time()
    held = Budget(rate, burst=burst, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(calls):
        held.spend()
    return time.now - 100.0


def test_calls_beyond_the_burst_keep_to_the_rate() -> None:
    assert spent(10.0, calls=5, burst=5) == 0
    assert abs(spent(10.0, calls=105, burst=5) - 10.0) < 0.2


def test_no_rate_is_no_wait() -> None:
    assert spent(0.0, calls=10_000, burst=1) == 0


def test_a_pause_does_not_save_up_more_than_the_burst() -> None:
    time = Time()
    held = Budget(1.0, burst=3, clock=lambda: time.now, sleep=time.sleep)
    time.now += 1000
    began = time.now
    for _ in range(4):
        held.spend()
    assert time.now - began == 1.0


def test_sessions_of_one_ehr_share_their_budget() -> None:
    assert budget("http://ehr/fhir", 5.0) is budget("http://ehr/fhir", 5.0)
    assert budget("http://ehr/fhir", 5.0) is not budget("http://other/fhir", 5.0)
