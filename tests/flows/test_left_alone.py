"""An EHR that fails again and again is left alone for a while, by all workers, and tried with one call after that."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fhirplan.errors import EhrUnavailable
from fhirplan.store.sync import circuits
from fhirplan.sync import breaker
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

MINUTE = 60_000


class Clock:
    """A time that a test moves."""

    def __init__(self, sides: Any) -> None:
        self.at = sides.clock()

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock(behind_door: Any) -> Clock:
    return Clock(behind_door.sides)


@pytest.fixture
def us(behind_door: Any, clock: Clock) -> Any:
    """Our side with a clock that stands still, and transactions off, so that each change is one call."""
    sides = dataclasses.replace(behind_door.sides, clock=clock, bundle=1, failures_before_pause=3, longest_pause=60.0)
    return type(behind_door)(sides)


def circuit(us: Any) -> circuits.Circuit | None:
    with us.database.read() as tx:
        return circuits.of(tx, "default")


def posts(seen: list[str]) -> int:
    return seen.count("POST")


@pytest.fixture
def many(clinic: Any, us: Any, make: Any) -> int:
    for number in range(12):
        clinic.put(make.patient(f"p{number}"))
    us.sync()
    for number in range(12):
        us.save(make.goal(f"g-{number}", f"Goal {number}", subject={"reference": f"Patient/p{number}"}))
    return 12


def down(door: Any, fault: str = "503") -> list[str]:
    """Each write fails from now on; the methods of what was asked are listed."""
    seen: list[str] = []

    def note(method: str, _path: str) -> str:
        seen.append(method)
        return fault if method == "POST" else ""

    door.fault = note
    return seen


def test_calls_end_after_so_many_failures_in_a_row(many: int, us: Any, door: Any, clock: Clock) -> None:
    seen = down(door)
    tally = Tally()
    push(dataclasses.replace(us.sides, lanes=1), tally)
    assert posts(seen) == 3
    known = circuit(us)
    assert known is not None
    assert (known.failures, breaker.is_open(known, clock.at)) == (3, True)
    assert any("does not answer" in text for text in tally.problems)
    push(us.sides, Tally())
    assert posts(seen) == 3


def test_lanes_that_fail_at_once_end_the_pass_together(many: int, us: Any, door: Any) -> None:
    seen = down(door)
    push(us.sides, Tally())
    assert 3 <= posts(seen) <= 3 + us.sides.lanes


def test_after_the_pause_one_call_decides_and_a_failure_makes_it_longer(
    many: int, us: Any, door: Any, clock: Clock
) -> None:
    seen = down(door)
    push(dataclasses.replace(us.sides, lanes=1), Tally())
    pauses = []
    for _ in range(3):
        known = circuit(us)
        assert known is not None
        pauses.append(known.until - clock.at)
        clock.at = known.until + MINUTE
        before = posts(seen)
        push(us.sides, Tally())
        assert posts(seen) == before + 1
    assert pauses[0] < pauses[1] < pauses[2]
    door.fault = lambda *_: ""
    known = circuit(us)
    assert known is not None
    clock.at = known.until + MINUTE * 60
    push(us.sides, Tally(), everything=True)
    assert circuit(us) is None
    assert us.sync().agreed


def test_the_pause_has_a_longest(us: Any, clock: Clock) -> None:
    for _ in range(12):
        breaker.failed(us.sides, EhrUnavailable("down"), probing=True)
    known = circuit(us)
    assert known is not None
    assert known.until - clock.at <= 60_000 * 1.25


def test_all_workers_share_the_pause_and_one_of_them_tries_again(many: int, us: Any, door: Any, clock: Clock) -> None:
    seen = down(door, "refuse")
    push(dataclasses.replace(us.sides, lanes=1), Tally())
    known = circuit(us)
    assert known is not None
    clock.at = known.until + MINUTE
    before = posts(seen)
    workers = [us.sides.twin(1), us.sides.twin(2)]
    with ThreadPoolExecutor(len(workers)) as together:
        list(together.map(lambda sides: push(sides, Tally()), workers))
    for sides in workers:
        sides.leave()
    assert posts(seen) == before + 1


def test_a_success_between_failures_begins_the_count_anew(us: Any) -> None:
    for _ in range(3):
        breaker.failed(us.sides, EhrUnavailable("slow"))
        breaker.failed(us.sides, EhrUnavailable("slow"))
        breaker.answered(us.sides)
    assert circuit(us) is None


def test_a_pause_that_the_ehr_asks_for_is_kept_by_people_too(
    clinic: Any, us: Any, door: Any, clock: Clock, make: Any
) -> None:
    clinic.put(make.patient())
    us.sync()
    us.save(make.goal("mine"))
    breaker.failed(us.sides, EhrUnavailable("busy", retry_after=90))
    before = len(clinic.writes())
    report = us.sync()
    assert any("asks not to be called before" in text for text in report.problems)
    assert len(clinic.writes()) == before
    clock.at += 91_000
    assert us.sync().agreed


def test_a_person_may_try_an_ehr_that_only_failed(many: int, us: Any, door: Any) -> None:
    down(door)
    push(us.sides, Tally())
    door.fault = lambda *_: ""
    assert us.sync().agreed


def test_what_a_person_tries_counts_too(us: Any, door: Any, clinic: Any, make: Any) -> None:
    door.fault = lambda *_: "refuse"
    for _ in range(3):
        assert not us.sync().agreed
    known = circuit(us)
    assert known is not None
    assert known.failures == 3
    door.fault = lambda *_: ""
    clinic.put(make.patient())
    assert us.sync().agreed
    assert circuit(us) is None


def test_a_pause_from_a_clock_that_was_wrong_does_not_last(us: Any, clock: Clock) -> None:
    clock.at += 400 * 24 * 60 * MINUTE
    breaker.failed(us.sides, EhrUnavailable("busy", retry_after=90))
    clock.at -= 400 * 24 * 60 * MINUTE
    assert not breaker.is_open(circuit(us), clock.at)


def test_what_is_told_says_since_when_and_why(us: Any, clock: Clock) -> None:
    for _ in range(3):
        breaker.failed(us.sides, EhrUnavailable("The EHR answered HTTP 503: it failed."))
    known = circuit(us)
    assert known is not None
    text = breaker.told(known, clock.at)
    assert "not called before 20" in text
    assert "3 calls in a row failed" in text
    assert "HTTP 503" in text
    assert "The last 3 calls" in breaker.told(known, known.until)
