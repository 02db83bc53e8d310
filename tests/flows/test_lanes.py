"""Lanes: several patients at once, each by one worker at a time, and first whose chart is open."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fhirplan.ehr.budget import Budget
from fhirplan.ehr.transport import Transport
from fhirplan.jobs.passes import tidy_pass
from fhirplan.store import audit
from fhirplan.store.sync import lanes, outbox
from fhirplan.sync.pull import pull
from fhirplan.sync.push import push, push_now, sweep
from fhirplan.sync.report import Tally


def patients(clinic: Any, ours: Any, make: Any, count: int) -> None:
    for number in range(count):
        clinic.put(make.patient(f"p{number}"))
    ours.sync()


def save(ours: Any, make: Any, patient: int, number: int) -> None:
    text = f"Patient {patient}, goal {number}"
    ours.save(make.goal(f"g-{patient}-{number}", text, subject={"reference": f"Patient/p{patient}"}))


class Watch:
    """Which patients' changes the EHR is carrying out at each moment, by the bodies that pass the door."""

    def __init__(self, door: Any, seconds: float) -> None:
        self.busy: list[str] = []
        self.most = 0
        self.order: list[str] = []
        self.twice: list[str] = []
        self._lock = threading.Lock()
        self._seconds = seconds
        self._real = door._ask
        door._ask = self.ask

    def ask(self, request: bytes) -> bytes:
        names = {name.decode() for name in re.findall(rb'"Patient/(p\d+)"', request)}
        if not request.startswith(b"POST") or not names:
            return self._real(request)
        with self._lock:
            self.twice += [name for name in names if name in self.busy]
            self.busy += names
            self.order += sorted(names)
            self.most = max(self.most, len(self.busy))
        time.sleep(self._seconds)
        try:
            return self._real(request)
        finally:
            with self._lock:
                for name in names:
                    self.busy.remove(name)


def test_patients_are_worked_at_once_and_none_by_two(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    patients(clinic, behind_door, make, 8)
    for patient in range(8):
        for number in range(3):
            save(behind_door, make, patient, number)
    watch = Watch(door, 0.1)
    push(dataclasses.replace(behind_door.sides, bundle=1, lanes=4), Tally())
    assert watch.twice == []
    assert 2 <= watch.most <= 4
    assert len(clinic.all("Goal")) == 24
    assert behind_door.sync().agreed


def test_a_look_at_open_charts_within_a_round_gives_no_lane_twice(
    clinic: Any, door: Any, behind_door: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhirplan.sync.push._LOOK_AGAIN_MS", 0)
    patients(clinic, behind_door, make, 6)
    for patient in range(6):
        for number in range(4):
            save(behind_door, make, patient, number)
    watch = Watch(door, 0.02)
    tally = Tally()
    push(dataclasses.replace(behind_door.sides, bundle=1, lanes=3), tally)
    assert (watch.twice, tally.sent()) == ([], 24)


def test_one_lane_is_never_worked_by_two_workers(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    patients(clinic, behind_door, make, 2)
    for number in range(10):
        save(behind_door, make, 0, number)
    watch = Watch(door, 0.05)
    workers = [behind_door.sides.twin(number) for number in (1, 2, 3)]
    workers = [dataclasses.replace(sides, bundle=2) for sides in workers]
    with ThreadPoolExecutor(len(workers)) as together:
        list(together.map(lambda sides: push(sides, Tally()), workers))
    for sides in workers:
        sides.leave()
    assert watch.twice == []
    behind_door.sync()
    assert len(clinic.all("Goal")) == 10


def test_the_patient_whose_chart_is_open_goes_first(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    patients(clinic, behind_door, make, 6)
    for patient in range(6):
        save(behind_door, make, patient, 0)
    with behind_door.database.write() as tx:
        now = behind_door.sides.clock()
        audit.record(tx, audit.entry(now, "default", "Practitioner/nurse", "R", "Patient", "p4", None, "r1"))
    watch = Watch(door, 0.0)
    push(dataclasses.replace(behind_door.sides, lanes=1), Tally())
    assert watch.order[0] == "p4"
    assert sorted(watch.order) == [f"p{number}" for number in range(6)]


def test_a_chart_that_is_opened_while_changes_are_sent_goes_next(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    patients(clinic, behind_door, make, 6)
    for patient in range(6):
        save(behind_door, make, patient, 0)
    watch, real = Watch(door, 0.0), behind_door.sides.clock
    moved = [0]

    def opens(when: str, method: str, _path: str) -> None:
        if (when, method, len(watch.order)) == ("after", "POST", 2) and not moved[0]:
            moved[0] = 5_000
            with behind_door.database.write() as tx:
                audit.record(tx, audit.entry(real(), "default", "nurse", "R", "Patient", "p5", None, "r1"))

    door.on = opens
    push(dataclasses.replace(behind_door.sides, lanes=1, clock=lambda: real() + moved[0]), Tally())
    assert watch.order == ["p0", "p1", "p5", "p2", "p3", "p4"]


def test_a_chart_that_was_opened_long_ago_is_no_longer_first(behind_door: Any) -> None:
    now = behind_door.sides.clock()
    with behind_door.database.write() as tx:
        for patient, at in (("old", now - 3_600_000), ("new", now), ("newer", now + 1)):
            audit.record(tx, audit.entry(at, "default", "nurse", "R", "Patient", patient, None, "r1"))
        audit.record(tx, audit.entry(now, "default", "nurse", "U", "Patient", "written", 2, "r1"))
    with behind_door.database.read() as tx:
        assert lanes.looked_at(tx, "default", now - 600_000) == ["Patient/newer", "Patient/new"]


def test_lanes_share_the_budget_of_calls(clinic: Any, ours: Any, make: Any) -> None:
    patients(clinic, ours, make, 6)
    for patient in range(6):
        save(ours, make, patient, 0)
    now = [100.0]

    def wait(_moved: threading.Condition, seconds: float) -> None:
        now[0] += seconds

    ours.sides.client._via._budget = Budget(1.0, burst=1, clock=lambda: now[0], wait=wait)
    push(dataclasses.replace(ours.sides, lanes=3), Tally())
    assert len(clinic.all("Goal")) == 6
    assert now[0] - 100.0 >= 5.0


def test_calls_say_for_whose_sake_they_are(clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patients(clinic, ours, make, 3)
    for patient in range(3):
        save(ours, make, patient, 0)
    with ours.database.write() as tx:
        audit.record(tx, audit.entry(ours.sides.clock(), "default", "nurse", "R", "Patient", "p1", None, "r1"))
    told: list[tuple[str, str]] = []
    real = Transport._exchanged

    def exchanged(via: Any, request: Any) -> Any:
        told.append((request.method, via.urgency))
        return real(via, request)

    monkeypatch.setattr(Transport, "_exchanged", exchanged)
    push(dataclasses.replace(ours.sides, bundle=1, lanes=1), Tally())
    assert [urgency for method, urgency in told if method == "POST"] == ["chart", "push", "push"]
    told.clear()
    pull(ours.sides, Tally())
    assert {urgency for _, urgency in told} == {"pull"}
    told.clear()
    save(ours, make, 2, 1)
    push_now(ours.sides, "Goal", "g-2-1")
    assert {urgency for _, urgency in told} == {"chart"}


def test_a_lease_is_renewed_before_it_ends(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    patients(clinic, behind_door, make, 1)
    save(behind_door, make, 0, 0)
    leases: list[int] = []
    offset = [0]
    real = behind_door.sides.clock

    def note(when: str, method: str, _path: str) -> None:
        if when == "before" and method == "POST":
            with behind_door.database.read() as tx:
                row = tx._driver.execute("SELECT lease_until FROM outbox WHERE state = 'claimed'").fetchone()
            leases.append(row[0])
            offset[0] += 50_000

    door.on = note
    door.poison = b"Patient 0, goal 1"
    for number in (1, 2, 3):
        save(behind_door, make, 0, number)
    push(dataclasses.replace(behind_door.sides, clock=lambda: real() + offset[0]), Tally())
    assert len(leases) > 3
    assert leases == sorted(set(leases))


def test_a_worker_that_lost_its_claim_sends_nothing(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    """It was away so long that another worker swept its rows; the other one sends them."""
    patients(clinic, behind_door, make, 1)
    for number in range(3):
        save(behind_door, make, 0, number)
    from fhirplan.sync import points

    other = dataclasses.replace(behind_door.sides, worker="other", clock=lambda: behind_door.sides.clock() + 3_600_000)

    def swept(point: points.Point) -> None:
        if point == "claimed":
            points.arm(None)
            sweep(other)

    points.arm(swept)
    before = len(clinic.writes())
    push(behind_door.sides, Tally())
    assert clinic.writes()[before:] == []
    assert {row.state for row in behind_door.waiting()} == {"waiting"}
    assert behind_door.sync().agreed
    assert len(clinic.all("Goal")) == 3


def test_what_was_sent_leaves_the_outbox_after_a_while_and_its_receipts_stay(clinic: Any, ours: Any, make: Any) -> None:
    patients(clinic, ours, make, 1)
    for number in range(5):
        save(ours, make, 0, number)
    ours.sync()
    save(ours, make, 0, 9)

    def rows() -> int:
        with ours.database.read() as tx:
            return int(tx._driver.execute("SELECT count(*) FROM outbox").fetchone()[0])

    assert rows() == 6
    tidy_pass(ours.database, ["default"], ours.sides.clock() - 60_000)
    assert rows() == 6
    tidy_pass(ours.database, ["default"], ours.sides.clock() + 1)
    assert rows() == 1
    assert [r.state for r in ours.receipts("Goal", "g-0-0")] == ["sent"]
    assert ours.sync().agreed


def test_how_much_waits_and_since_when(ours: Any, make: Any) -> None:
    began = ours.sides.clock()
    ours.save(make.patient("mine"))
    ours.save(make.goal("mine"))
    with ours.database.write() as tx:
        outbox.hold(tx, "default", "Goal", "mine")
    with ours.database.read() as tx:
        found = outbox.depth(tx, "default")
    assert {state: item.count for state, item in found.items()} == {"waiting": 1, "held": 1}
    assert began <= found["waiting"].oldest <= ours.sides.clock()
