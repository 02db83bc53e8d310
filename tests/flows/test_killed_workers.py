"""kill -9 of a pushing process at each point between claim and commit: every effect exactly once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

POINTS = ["claimed", "sending", "before the EHR", "after the EHR", "answered", "settling", "settled"]


def push_and_die(point: str, ours: Any, workers: Any, door: Any, folder: Path) -> None:
    """A process of its own pushes through the door and is killed at that point."""
    when = {"before the EHR": "before", "after the EHR": "after"}.get(point)
    dead = threading.Event()

    def kill(now: str, method: str, _path: str) -> None:
        if now == when and method in ("POST", "PUT", "DELETE"):
            child.kill()
            dead.set()

    door.on = kill
    door.fault = lambda method, _path: "refuse" if when == "before" and method == "POST" else ""
    child = workers.begin(ours.database.url, door.base, folder, "" if when else point)
    assert child.killed()
    assert dead.is_set() == bool(when)
    door.on = lambda *_: None
    door.fault = lambda *_: ""


@pytest.fixture
def settled(behind_door: Any, tmp_path: Path) -> Any:
    """Pushes again as a worker that starts right after the other one died, without waiting for its lease."""
    import dataclasses

    from fhirplan.sync.presence import Presence

    def again() -> Any:
        alive = Presence(tmp_path / "workers")
        return type(behind_door)(dataclasses.replace(behind_door.sides, worker="next", presence=alive)).sync()

    return again


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_create_is_made_once(
    point: str, clinic: Any, door: Any, behind_door: Any, make: Any, workers: Any, settled: Any, tmp_path: Path
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine"))
    push_and_die(point, behind_door, workers, door, tmp_path)
    report = settled()
    assert report.agreed, report
    assert len(clinic.all("Goal")) == 1
    assert behind_door.link("Goal", "mine").ehr_id == clinic.all("Goal")[0]["id"]
    assert [r.state for r in behind_door.receipts("Goal", "mine")] == ["sent"]


@pytest.mark.parametrize("point", ["after the EHR", "answered", "settling"])
def test_a_killed_update_lands_once(
    point: str, clinic: Any, door: Any, behind_door: Any, make: Any, workers: Any, settled: Any, tmp_path: Path
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "Once"})
    push_and_die(point, behind_door, workers, door, tmp_path)
    report = settled()
    assert report.agreed, report
    goal = clinic.get("Goal/g1")
    assert (goal["description"]["text"], goal["meta"]["versionId"]) == ("Once", "2")


def test_a_living_workers_claim_is_left_to_it(behind_door: Any, make: Any, tmp_path: Path) -> None:
    from fhirplan.store.sync import leases
    from fhirplan.sync.presence import Presence
    from fhirplan.sync.push import sweep

    behind_door.save(make.patient("mine"))
    other = Presence(tmp_path / "workers")
    other.announce("other")
    with behind_door.database.write() as tx:
        lease = behind_door.sides.clock() + 60_000
        assert leases.claim(tx, "default", "Patient", "mine", worker="other", lease_until=lease)
    sweep(behind_door.sides)
    assert [row.state for row in behind_door.waiting()] == ["claimed"]
    assert behind_door.sync().waiting == 1
