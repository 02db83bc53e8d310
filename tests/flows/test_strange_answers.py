"""Answers that are no failure by their status and still not what they seem: nothing is lost and nobody confused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fhirplan.ehr.transport import Answer, Transport
from fhirplan.fhir import codec
from fhirplan.store.sync import checkpoints

FAILED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "processing", "diagnostics": "One source did not answer"}],
}


def since(ours: Any, type_: str) -> str:
    with ours.database.read() as tx:
        return checkpoints.get(tx, "default", type_)


def lists(monkeypatch: pytest.MonkeyPatch, type_: str, change: Any) -> None:
    """Changes the Bundles that the EHR answers a search of a type with."""
    real = Transport.get

    def get(self: Any, address: str, params: Any = None) -> Any:
        answer = real(self, address, params)
        if address != type_:
            return answer
        bundle = codec.loads(answer.body)
        change(bundle)
        return dataclasses.replace(answer, body=codec.dumps(bundle))

    monkeypatch.setattr(Transport, "get", get)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_that_failed_with_a_success_is_parked_and_not_taken_for_landed(
    method: str, clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    one = type(ours)(dataclasses.replace(ours.sides, bundle=1))
    if method == "PUT":
        one.edit("Goal", "g1", statusReason="Ours")
    else:
        one.delete("Goal", "g1")
    real = Transport.write

    def write(self: Any, asked: str, *rest: Any) -> Any:
        return Answer(200, {}, codec.dumps(FAILED)) if asked == method else real(self, asked, *rest)

    monkeypatch.setattr(Transport, "write", write)
    assert one.sync().parked == 1
    (told,) = one.receipts("Goal", "g1")
    assert told.state == "parked"
    assert "One source did not answer" in (told.outcome or "")
    assert (one.get("Goal", "g1") is None) is (method == "DELETE")


def test_what_a_list_that_was_cut_off_lacks_comes_once_the_ehr_gives_all(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint moved past what the EHR had kept back, and no later pull asked for it."""
    for number in range(110):
        clinic.put(make.patient(f"p{number}"))
    with monkeypatch.context() as cut:
        lists(cut, "Patient", lambda bundle: bundle.pop("link", None))
        assert not ours.sync().agreed
    assert since(ours, "Patient") == ""
    assert ours.sync().agreed
    assert all(ours.get("Patient", f"p{number}") is not None for number in range(110))


def test_what_a_list_lacks_that_the_ehr_says_is_not_whole_comes_later(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        clinic.put(make.patient(f"p{number}"))

    def partly(bundle: Any) -> None:
        bundle["entry"] = [bundle["entry"][-1], {"resource": FAILED, "search": {"mode": "outcome"}}]
        bundle.pop("total", None)

    with monkeypatch.context() as broken:
        lists(broken, "Patient", partly)
        report = ours.sync()
        assert any("One source did not answer" in problem for problem in report.problems)
    assert ours.sync().agreed
    assert all(ours.get("Patient", f"p{number}") is not None for number in range(3))


def test_an_edit_of_what_the_clinic_moves_to_another_patient_waits_for_a_person(
    clinic: Any, ours: Any, make: Any
) -> None:
    clinic.put(make.patient("p1"))
    clinic.put(make.patient("p2"))
    clinic.put(make.goal())
    ours.sync()
    ours.edit("Goal", "g1", statusReason="About p1")
    clinic.put(make.goal(subject={"reference": "Patient/p2"}))
    ours.sync()
    (kept,) = ours.conflicts()
    assert kept.paths == ("Goal.subject",)
    assert "statusReason" not in clinic.get("Goal/g1")
    assert ours.get("Goal", "g1")["subject"] == {"reference": "Patient/p1"}


def test_a_patient_who_was_merged_into_another_holds_up_no_other(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The EHR answers for the one with the other's goals; those of everybody else have to come all the same."""
    (tmp_path / "patients").write_text("p1\np2\np3\n", encoding="utf-8")
    only = type(ours)(dataclasses.replace(ours.sides, patients=str(tmp_path / "patients")))
    replaced = [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    for number in (1, 2, 3):
        more = {"active": False, "link": replaced} if number == 2 else {}
        clinic.put(make.patient(f"p{number}", **more))
        clinic.put(make.goal(f"g{number}", subject={"reference": f"Patient/p{1 if number == 2 else number}"}))
    real = Transport.get

    def get(self: Any, address: str, params: Any = None) -> Any:
        led = {name: "p1" if value == "p2" else value for name, value in (params or {}).items()}
        return real(self, address, led or params)

    monkeypatch.setattr(Transport, "get", get)
    only.sync()
    assert [only.get("Goal", f"g{number}") is not None for number in (1, 2, 3)] == [True, True, True]
