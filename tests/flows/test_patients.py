"""EHRs whose patients cannot be listed: those of ehr_patients are pulled, one by one, and nobody else's records."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fhirplan.store import audit
from fhirplan.sync.patients import chosen
from fhirplan.sync.report import Tally


@pytest.fixture
def only(clinic: Any, ours: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our side, told whose records are ours, of an EHR with three patients that it does not list."""
    known = ours.sides.client.capabilities()
    named = known.types["Patient"]
    unlisted = dataclasses.replace(named, interactions=named.interactions - {"search-type"})
    monkeypatch.setattr(
        ours.sides.client, "_known", dataclasses.replace(known, types={**known.types, "Patient": unlisted})
    )
    clinic.put({"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Adams"}]})
    clinic.put({"resourceType": "Practitioner", "id": "stranger", "name": [{"family": "Baker"}]})
    for number in (1, 2, 3):
        about = {"reference": f"Patient/p{number}"}
        clinic.put(make.patient(f"p{number}", generalPractitioner=[{"reference": "Practitioner/doctor"}]))
        clinic.put(make.goal(f"g{number}", subject=about))
        clinic.put(make.task(f"t{number}", **{"for": about}))

    def told(patients: str) -> Any:
        return type(ours)(dataclasses.replace(ours.sides, patients=patients))

    return told


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "patients.txt"
    path.write_text("# Ours\np1\n\nPatient/p3\n", encoding="utf-8")
    return path


def held(ours: Any, type_: str) -> list[str]:
    found = [ours.get(type_, f"{type_[0].lower()}{number}") for number in (1, 2, 3)]
    return [item["id"] for item in found if item]


def test_those_in_the_file_are_pulled_and_nobody_else(only: Any, file: Path) -> None:
    ours = only(str(file))
    report = ours.sync()
    assert report.agreed, report
    assert held(ours, "Patient") == ["p1", "p3"]
    assert held(ours, "Goal") == ["g1", "g3"]
    assert held(ours, "Task") == ["t1", "t3"]


def test_who_is_referred_to_is_read_and_not_everybody_is_listed(only: Any, file: Path) -> None:
    ours = only(str(file))
    ours.sync()
    ours.sync()
    assert ours.get("Practitioner", "doctor")["name"] == [{"family": "Adams"}]
    assert ours.get("Practitioner", "stranger") is None


def test_a_group_in_the_ehr_names_them(only: Any, clinic: Any) -> None:
    members = [
        {"entity": {"reference": "Patient/p2"}},
        {"entity": {"reference": "Patient/p3"}, "inactive": True},
        {"entity": {"reference": "Device/d1"}},
    ]
    group = {"resourceType": "Group", "id": "panel", "type": "person", "actual": True, "member": members}
    clinic.put(group)
    ours = only("Group/panel")
    assert ours.sync().agreed
    assert held(ours, "Patient") == ["p2"]
    assert held(ours, "Goal") == ["g2"]


def test_changes_and_deletions_of_theirs_are_found(only: Any, file: Path, clinic: Any, make: Any) -> None:
    ours = only(str(file))
    ours.sync()
    clinic.put(make.patient("p1", gender="female"))
    clinic.put(make.goal("g1", text="Changed"))
    clinic.delete("Task/t3")
    clinic.delete("Patient/p3")
    ours.sync(full=True)
    assert ours.get("Patient", "p1")["gender"] == "female"
    assert ours.get("Goal", "g1")["description"]["text"] == "Changed"
    assert ours.get("Task", "t3") is None
    assert ours.get("Patient", "p3") is None


def test_a_new_line_is_heeded_at_the_next_pull(only: Any, file: Path) -> None:
    ours = only(str(file))
    ours.sync()
    file.write_text("p1\np2\np3\n", encoding="utf-8")
    ours.sync(full=True)
    assert held(ours, "Goal") == ["g1", "g2", "g3"]


@pytest.mark.parametrize("text", ["p1\n../p2\n", "p1\nMRN 4711\n"])
def test_a_line_that_is_no_id_is_told_and_the_rest_flows(text: str, only: Any, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    ours = only(str(file))
    report = ours.sync()
    assert any("Line 2" in problem for problem in report.problems)
    assert "4711" not in str(report.problems)
    assert held(ours, "Goal") == ["g1"]


def test_a_file_of_windows_is_read_from_its_first_line(only: Any, file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfp1\r\np2\r\n")
    ours = only(str(file))
    assert not ours.sync().problems
    assert held(ours, "Goal") == ["g1", "g2"]


@pytest.mark.parametrize("text", ["", "# nobody yet\n\n"])
def test_a_file_that_names_nobody_is_told(text: str, only: Any, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    report = only(str(file)).sync()
    assert not report.agreed
    assert any("names no patient" in problem for problem in report.problems)


def test_a_file_that_is_not_there_is_told(only: Any, tmp_path: Path) -> None:
    report = only(str(tmp_path / "nowhere")).sync()
    assert not report.agreed
    assert any("ehr_patients" in problem for problem in report.problems)


def test_a_group_that_is_not_there_is_told(only: Any) -> None:
    report = only("Group/nobody").sync()
    assert not report.agreed
    assert any("Group/nobody" in problem for problem in report.problems)


def test_what_the_ehr_does_not_show_is_not_asked_for_at_each_pull(
    only: Any, file: Path, clinic: Any, make: Any
) -> None:
    clinic.put(make.patient("p1", generalPractitioner=[{"reference": "Practitioner/hidden"}]))
    ours = only(str(file))
    asked: list[str] = []
    real = ours.sides.client.read

    def read(type_: str, id_: str) -> Any:
        asked.append(f"{type_}/{id_}")
        return real(type_, id_)

    ours.sides.client.read = read
    for _ in range(3):
        ours.sync()
    assert asked.count("Practitioner/hidden") == 1
    later = type(ours)(dataclasses.replace(ours.sides, clock=lambda: ours.sides.clock() + 7_200_000))
    later.sync()
    assert asked.count("Practitioner/hidden") == 2


@pytest.mark.parametrize("listed", ["", "Group/panel", "a file"])
def test_the_patient_whose_chart_is_open_is_asked_about_first(
    listed: str, only: Any, clinic: Any, make: Any, tmp_path: Path
) -> None:
    members = [{"entity": {"reference": f"Patient/p{number}"}} for number in (1, 2, 3)]
    clinic.put({"resourceType": "Group", "id": "panel", "type": "person", "actual": True, "member": members})
    file = tmp_path / "all.txt"
    file.write_text("p1\np2\np3\n", encoding="utf-8")
    ours = only(str(file) if listed == "a file" else listed or "Group/panel")
    ours.sync()
    sides = dataclasses.replace(ours.sides, patients=listed and ours.sides.patients)
    assert list(chosen(sides, Tally())) == ["p1", "p2", "p3"]
    with ours.database.write() as tx:
        for patient in ("p3", "unknown"):
            audit.record(tx, audit.entry(sides.clock(), "default", "nurse", "R", "Patient", patient, None, "r1"))
    assert list(chosen(sides, Tally())) == ["p3", "p1", "p2"]
