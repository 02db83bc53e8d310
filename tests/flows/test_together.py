"""Changes sent as transactions: one bad entry is found and parked, a lost answer duplicates nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan.fhir import codec
from fhirplan.fhir.outcome import issues
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

LATER = 10 * 60_000


def later(ours: Any) -> Any:
    clock = ours.sides.clock
    return type(ours)(dataclasses.replace(ours.sides, clock=lambda: clock() + LATER, worker="later"))


def begin(clinic: Any, ours: Any, make: Any) -> int:
    """A patient on both sides; gives how many writes there were."""
    clinic.put(make.patient())
    ours.sync()
    return len(clinic.writes())


def guards_updates(ours: Any) -> None:
    """The EHR says that it refuses a stale update by itself, so that nobody looks before."""
    known = ours.sides.client.capabilities()
    types = {name: dataclasses.replace(item, versioning="versioned-update") for name, item in known.types.items()}
    ours.sides.client._known = dataclasses.replace(known, types=types)


def test_copies_that_changed_there_are_left_out_and_merged(clinic: Any, ours: Any, make: Any) -> None:
    """An EHR that does not say that it heeds If-Match is asked for all copies at once before they are replaced."""
    begin(clinic, ours, make)
    for number in range(10):
        clinic.put(make.goal(f"g-{number}", f"Goal {number}"))
    ours.sync()
    before = len(clinic.writes())
    clinic.put({**clinic.get("Goal/g-7"), "startDate": "2026-10-01"})
    clinic.delete("Goal/g-8")
    for number in range(10):
        ours.edit("Goal", f"g-{number}", description={"text": f"Edited {number}"})
    push(ours.sides, Tally(), everything=True)
    assert bundles(clinic.writes()[before + 2 :]) == [200]
    merged = clinic.get("Goal/g-7")
    assert (merged["startDate"], merged["description"]["text"]) == ("2026-10-01", "Edited 7")
    assert [item.id for item in ours.conflicts()] == ["g-8"]


def texts(clinic: Any) -> list[str]:
    return sorted(goal["description"]["text"] for goal in clinic.all("Goal"))


def bundles(writes: list[tuple[str, str, int]]) -> list[int]:
    return [status for method, path, status in writes if method == "POST" and path.strip("/") in ("", "fhir")]


def test_many_changes_of_a_patient_go_in_few_transactions(clinic: Any, ours: Any, make: Any) -> None:
    before = begin(clinic, ours, make)
    for number in range(120):
        ours.save(make.goal(f"g-{number}", f"Goal {number}"))
    assert ours.sync().agreed
    assert bundles(clinic.writes()[before:]) == [200, 200, 200]
    assert len(clinic.writes()) - before == 3
    assert texts(clinic) == sorted(f"Goal {number}" for number in range(120))
    assert {r.state for number in range(120) for r in ours.receipts("Goal", f"g-{number}")} == {"sent"}
    for number in range(120):
        ours.edit("Goal", f"g-{number}", description={"text": f"Edited {number}"})
    assert ours.sync().agreed
    assert bundles(clinic.writes()[before + 3 :]) == [200, 200, 200]
    assert {goal["meta"]["versionId"] for goal in clinic.all("Goal")} == {"2"}


def test_references_inside_a_transaction_end_literal_on_the_other_side(clinic: Any, ours: Any, make: Any) -> None:
    before = begin(clinic, ours, make)
    ours.save(make.plan("cp", goal=[{"reference": "Goal/a"}, {"reference": "Goal/b"}]))
    ours.save(make.goal("a"))
    ours.save(make.goal("b"))
    assert ours.sync().agreed
    assert bundles(clinic.writes()[before:]) == [200]
    named = {item["reference"] for item in clinic.all("CarePlan")[0]["goal"]}
    assert named == {f"Goal/{goal['id']}" for goal in clinic.all("Goal")}


def test_a_circle_goes_as_one_transaction_and_is_sent_once(clinic: Any, ours: Any, make: Any) -> None:
    before = begin(clinic, ours, make)
    ours.save(make.plan("cp", activity=[{"reference": {"reference": "Task/tk"}}]))
    ours.save(make.task("tk", basedOn=[{"reference": "CarePlan/cp"}]))
    assert ours.sync().agreed
    assert bundles(clinic.writes()[before:]) == [200]
    assert [item["meta"]["versionId"] for item in (*clinic.all("CarePlan"), *clinic.all("Task"))] == ["1", "1"]


def test_without_transactions_a_circle_is_created_and_then_updated(clinic: Any, ours: Any, make: Any) -> None:
    before = begin(clinic, ours, make)
    ours = type(ours)(dataclasses.replace(ours.sides, bundle=1))
    ours.save(make.plan("cp", activity=[{"reference": {"reference": "Task/tk"}}]))
    ours.save(make.task("tk", basedOn=[{"reference": "CarePlan/cp"}]))
    assert ours.sync().agreed
    assert bundles(clinic.writes()[before:]) == []
    (planned,), (tasked,) = clinic.all("CarePlan"), clinic.all("Task")
    assert planned["activity"] == [{"reference": {"reference": f"Task/{tasked['id']}"}}]
    assert tasked["basedOn"] == [{"reference": f"CarePlan/{planned['id']}"}]


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_a_bad_entry_that_nobody_names_is_found_by_halving_and_parked_with_the_ehrs_words(
    bad: int, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    begin(clinic, behind_door, make)
    door.poison = f'"Goal {bad}"'.encode()
    for number in range(20):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    report = behind_door.sync()
    assert (report.parked, report.waiting, report.pushed) == (1, 0, 19)
    assert texts(clinic) == sorted(f"Goal {number}" for number in range(20) if number != bad)
    (row,) = behind_door.waiting()
    assert (row.id, row.state) == (f"g-{bad}", "parked")
    assert [issue.text for issue in issues(codec.loads(row.outcome))] == ["A name is needed."]


def test_several_bad_entries_are_each_found(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    begin(clinic, behind_door, make)
    door.poison = b"bad"
    for number in range(30):
        behind_door.save(make.goal(f"g-{number}", "bad" if number in (3, 4, 29) else f"Goal {number}"))
    report = behind_door.sync()
    assert (report.parked, report.waiting, report.pushed) == (3, 0, 27)
    assert {row.id for row in behind_door.waiting()} == {"g-3", "g-4", "g-29"}


def test_an_entry_that_the_refusal_names_is_taken_out_without_halving(clinic: Any, ours: Any, make: Any) -> None:
    """The EHR names it: somebody has edited one of the goals, so If-Match on its entry does not hold."""
    begin(clinic, ours, make)
    guards_updates(ours)
    for number in range(20):
        clinic.put(make.goal(f"g-{number}", f"Goal {number}"))
    ours.sync()
    before = len(clinic.writes())
    clinic.put({**clinic.get("Goal/g-7"), "startDate": "2026-10-01"})
    for number in range(20):
        ours.edit("Goal", f"g-{number}", description={"text": f"Edited {number}"})
    push(ours.sides, Tally(), everything=True)
    # The refused transaction, what stood before the entry, the entry itself (412, then merged), and what followed.
    assert bundles(clinic.writes()[before + 1 :]) == [412, 200, 200]
    assert ours.sync().agreed
    merged = clinic.get("Goal/g-7")
    assert (merged["startDate"], merged["description"]["text"]) == ("2026-10-01", "Edited 7")
    assert texts(clinic) == sorted(f"Edited {number}" for number in range(20))


def test_a_transaction_that_is_too_large_is_halved(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    begin(clinic, behind_door, make)
    door.most_entries = 6
    for number in range(20):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    assert behind_door.sync().agreed
    assert texts(clinic) == sorted(f"Goal {number}" for number in range(20))


def test_a_bundle_too_large_to_be_answered_in_time_gets_smaller_each_time(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    """A bundle too large timed out for ever."""
    begin(clinic, behind_door, make)
    sizes: list[int] = []
    real = door._refusal

    def slow_when_large(method: str, request: bytes) -> str:
        entries = request.count(b'"fullUrl"')
        sizes.extend([entries] if entries else [])
        return "refuse" if entries > 6 else real(method, request)

    door._refusal = slow_when_large
    for number in range(20):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    ours = type(behind_door)(dataclasses.replace(behind_door.sides, bundle=20))
    for _ in range(6):
        ours = later(ours)
        if ours.sync().agreed:
            break
    assert texts(clinic) == sorted(f"Goal {number}" for number in range(20))
    assert sizes[:3] == [20, 10, 10] or sizes[:2] == [20, 10]
    assert max(sizes[-3:]) <= 6


@pytest.mark.parametrize("fault", ["cut", "half", "refuse", "500", "503", "html", "empty", "429"])
def test_a_transaction_whose_answer_is_lost_lands_once(
    fault: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.goal("theirs", "Before"))
    begin(clinic, behind_door, make)
    left = [1]

    def once(method: str, _path: str) -> str:
        if method == "POST" and left[0]:
            left[0] -= 1
            return fault
        return ""

    door.fault = once
    for number in range(8):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    behind_door.edit("Goal", "theirs", description={"text": "After"})
    behind_door.sync()
    report = later(behind_door).sync()
    assert report.agreed, report
    assert texts(clinic) == sorted(["After", *(f"Goal {number}" for number in range(8))])
    assert clinic.get("Goal/theirs")["meta"]["versionId"] == "2"
    assert {r.state for number in range(8) for r in behind_door.receipts("Goal", f"g-{number}")} == {"sent"}


def test_an_ehr_that_declares_transactions_and_takes_none_gets_each_change_by_itself(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    begin(clinic, behind_door, make)
    door.fault = lambda method, path: "405" if method == "POST" and path == "/fhir" else ""
    for number in range(8):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    assert behind_door.sync().agreed
    assert texts(clinic) == sorted(f"Goal {number}" for number in range(8))


def test_an_edit_made_while_the_transaction_is_on_its_way_is_sent_next(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    begin(clinic, behind_door, make)
    for number in range(4):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    edited = [True]

    def edit(when: str, method: str, path: str) -> None:
        if when == "after" and (method, path) == ("POST", "/fhir") and edited and edited.pop():
            behind_door.edit("Goal", "g-2", description={"text": "Edited meanwhile"})

    door.on = edit
    assert behind_door.sync().agreed
    assert texts(clinic) == ["Edited meanwhile", "Goal 0", "Goal 1", "Goal 3"]
