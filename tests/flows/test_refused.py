"""What an EHR refuses to tell of one resource or one patient holds up nothing else, and is asked for again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fhirplan.store.sync import checkpoints, refusals
from fhirplan.sync.pull import pull
from fhirplan.sync.report import Tally

HOUR = 3_600_000


def since(ours: Any, type_: str) -> str:
    with ours.database.read() as tx:
        return checkpoints.get(tx, "default", type_)


def noted(ours: Any) -> list[tuple[str, str, str]]:
    with ours.database.read() as tx:
        return [(item.type, item.about, item.ehr_id) for item in refusals.listed(tx, "default")]


@pytest.fixture
def later(behind_door: Any) -> Any:
    """Our side behind the door, whose clock can be put forward."""
    ahead = [0]
    clock = behind_door.sides.clock
    sides = dataclasses.replace(behind_door.sides, clock=lambda: clock() + ahead[0])
    made = type(behind_door)(sides)
    made.ahead = ahead
    return made


def test_a_deletion_that_the_ehr_does_not_tell_of_holds_up_neither_others_nor_the_checkpoint(
    clinic: Any, later: Any, door: Any, make: Any
) -> None:
    for id_ in ("g1", "g2", "g3"):
        clinic.put(make.goal(id_))
    later.sync()
    before = since(later, "Goal")
    clinic.delete("Goal/g1")
    clinic.delete("Goal/g2")
    clinic.put(make.goal("g3", "Changed"))
    door.fault = lambda _method, path: "403" if path.endswith("/Goal/g1") else ""
    report = later.sync()
    assert later.get("Goal", "g1") is not None
    assert later.get("Goal", "g2") is None
    assert later.get("Goal", "g3")["description"]["text"] == "Changed"
    assert since(later, "Goal") > before
    assert (report.agreed, report.untold, report.problems) == (False, 1, ())
    assert any("does not tell whether it still has Goal/g1" in text and "glass" in text for text in report.reasons)
    door.fault = lambda _method, _path: ""
    pull(later.sides, Tally())
    assert noted(later) == [("Goal", "resource", "g1")]
    assert later.get("Goal", "g1") is not None, "it was asked for before its time"
    later.ahead[0] = HOUR
    pull(later.sides, Tally())
    assert noted(later) == []
    assert later.get("Goal", "g1") is None


def test_a_sync_by_hand_asks_again_at_once(clinic: Any, later: Any, door: Any, make: Any) -> None:
    clinic.put(make.goal("g1"))
    later.sync()
    clinic.delete("Goal/g1")
    door.fault = lambda _method, path: "403" if path.endswith("/Goal/g1") else ""
    assert later.sync().untold == 1
    door.fault = lambda _method, _path: ""
    assert later.sync().agreed
    assert later.get("Goal", "g1") is None


def test_one_that_the_ehr_always_fails_on_is_asked_for_by_the_next_pull(
    clinic: Any, later: Any, door: Any, make: Any
) -> None:
    for id_ in ("g1", "g2"):
        clinic.put(make.goal(id_))
    later.sync()
    before = since(later, "Goal")
    clinic.delete("Goal/g1")
    clinic.put(make.goal("g2", "Changed"))
    door.fault = lambda _method, path: "500" if path.endswith("/Goal/g1") else ""
    assert later.sync().untold == 1
    assert since(later, "Goal") > before
    door.fault = lambda _method, _path: ""
    pull(later.sides, Tally())
    assert noted(later) == []
    assert later.get("Goal", "g1") is None


def test_an_ehr_that_answers_for_none_is_down_and_the_checkpoint_stays(
    clinic: Any, later: Any, door: Any, make: Any
) -> None:
    for id_ in ("g1", "g2", "g3"):
        clinic.put(make.goal(id_))
    later.sync()
    before = since(later, "Goal")
    for id_ in ("g1", "g2", "g3"):
        clinic.delete(f"Goal/{id_}")
    door.fault = lambda _method, path: "500" if "/Goal/g" in path else ""
    assert any(text.startswith("Goal could not be pulled") for text in later.sync().problems)
    assert since(later, "Goal") == before
    door.fault = lambda _method, _path: ""
    assert later.sync().agreed
    assert [later.get("Goal", id_) for id_ in ("g1", "g2", "g3")] == [None, None, None]


@pytest.fixture
def by_patient(clinic: Any, later: Any, make: Any, tmp_path: Path) -> Any:
    """Our side, asked to pull the goals of three patients, one after the other."""
    for number in (1, 2, 3):
        clinic.put(make.patient(f"p{number}"))
        clinic.put(make.goal(f"g{number}", subject={"reference": f"Patient/p{number}"}))
    file = tmp_path / "patients.txt"
    file.write_text("p1\np2\np3\n")
    made = type(later)(dataclasses.replace(later.sides, patients=str(file)))
    made.ahead = later.ahead
    return made


def test_a_patient_whom_the_ehr_hides_holds_up_no_other_and_what_is_hidden_is_not_taken_for_deleted(
    clinic: Any, by_patient: Any, door: Any, make: Any
) -> None:
    assert by_patient.sync().agreed
    door.fault = lambda _method, path: "403" if ("/Goal" in path and "p2" in path) or "/Goal/g2" in path else ""
    for number in (1, 2, 3):
        clinic.put(make.goal(f"g{number}", "Changed", subject={"reference": f"Patient/p{number}"}))
    report = by_patient.sync(full=True)
    told = [by_patient.get("Goal", f"g{number}")["description"]["text"] for number in (1, 2, 3)]
    assert told == ["Changed", "Walk to the mailbox", "Changed"]
    assert noted(by_patient) == [("Goal", "patient", "p2")]
    assert any("does not show the Goal resources of its Patient/p2" in text for text in report.reasons)
    assert not report.agreed


def test_what_a_hidden_patient_missed_comes_once_the_ehr_shows_it_again_though_the_checkpoint_moved(
    clinic: Any, by_patient: Any, door: Any, make: Any
) -> None:
    by_patient.sync()
    door.fault = lambda _method, path: "403" if "/Goal" in path and "p2" in path else ""
    clinic.put(make.goal("g2", "Changed while hidden", subject={"reference": "Patient/p2"}))
    by_patient.sync()
    clinic.store._db.execute("UPDATE version SET updated = updated - 600000 WHERE id = 'g2'")
    clinic.put(make.goal("g1", "Changed", subject={"reference": "Patient/p1"}))
    by_patient.sync()
    door.fault = lambda _method, _path: ""
    by_patient.ahead[0] = HOUR
    assert by_patient.sync().agreed
    assert by_patient.get("Goal", "g2")["description"]["text"] == "Changed while hidden"
    assert noted(by_patient) == []


def test_what_is_refused_of_all_patients_is_no_matter_of_one(by_patient: Any, door: Any) -> None:
    door.fault = lambda _method, path: "403" if "/Goal" in path else ""
    report = by_patient.sync()
    assert any(text.startswith("Goal could not be pulled") for text in report.problems)
    assert noted(by_patient) == []
    assert by_patient.get("Patient", "p3") is not None


def test_a_patient_who_cannot_be_read_holds_up_no_other(
    by_patient: Any, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = by_patient.sides.client.capabilities()
    patients = known.types["Patient"]
    unlisted = dataclasses.replace(patients, interactions=patients.interactions - {"search-type"})
    changed = dataclasses.replace(known, types={**known.types, "Patient": unlisted})
    monkeypatch.setattr(by_patient.sides.client, "_known", changed)
    door.fault = lambda _method, path: "403" if path.endswith("/Patient/p1") else ""
    assert by_patient.sync().untold == 1
    assert by_patient.get("Patient", "p3") is not None
    door.fault = lambda _method, _path: ""
    assert by_patient.sync().agreed
    assert by_patient.get("Patient", "p1") is not None
