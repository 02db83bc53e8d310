"""Every effect exactly once, whatever is lost between us and the EHR."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

LATER = 10 * 60_000


def later(ours: Any) -> Any:
    """The same side ten minutes on, when what was put off is due and leases are over."""
    clock = ours.sides.clock
    return type(ours)(dataclasses.replace(ours.sides, clock=lambda: clock() + LATER, worker="later"))


def fail_first(door: Any, method: str, fault: str, times: int = 1) -> None:
    """The first ``times`` requests of that method meet a fault."""
    left = [times]

    def decide(asked: str, _path: str) -> str:
        if asked == method and left[0]:
            left[0] -= 1
            return fault
        return ""

    door.fault = decide


@pytest.mark.parametrize("fault", ["cut", "half", "refuse", "500", "503", "html", "empty", "429"])
def test_a_create_whose_reply_is_lost_is_made_once(
    fault: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine"))
    fail_first(door, "POST", fault)
    behind_door.sync()
    report = later(behind_door).sync()
    assert report.agreed, report
    assert len(clinic.all("Goal")) == 1
    assert [r.state for r in behind_door.receipts("Goal", "mine")] == ["sent"]


def test_a_create_is_made_once_by_an_ehr_without_conditional_create(
    clinic: Any, door: Any, behind_door: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    known = behind_door.sides.client.capabilities()
    plain = {name: dataclasses.replace(item, conditional_create=False) for name, item in known.types.items()}
    monkeypatch.setattr(behind_door.sides.client, "_known", dataclasses.replace(known, types=plain))
    behind_door.save(make.goal("mine"))
    fail_first(door, "POST", "cut")
    behind_door.sync()
    assert len(clinic.all("Goal")) == 1
    assert later(behind_door).sync().agreed
    assert len(clinic.all("Goal")) == 1


def test_an_ehr_in_which_nothing_can_be_looked_up_gets_no_second_create(
    clinic: Any, door: Any, behind_door: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    known = behind_door.sides.client.capabilities()
    blind = dataclasses.replace(
        known.types["Goal"], conditional_create=False, search=frozenset(), interactions=frozenset({"create"})
    )
    monkeypatch.setattr(
        behind_door.sides.client, "_known", dataclasses.replace(known, types={**known.types, "Goal": blind})
    )
    behind_door.save(make.goal("mine"))
    fail_first(door, "POST", "cut")
    behind_door.sync()
    later(behind_door).sync()
    assert len(clinic.all("Goal")) == 1
    assert [row.state for row in behind_door.waiting()] == ["parked"]


@pytest.mark.parametrize("fault", ["cut", "refuse", "500"])
def test_an_update_whose_reply_is_lost_lands_once_and_is_no_conflict(
    fault: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "Once"})
    fail_first(door, "PUT", fault)
    behind_door.sync()
    report = later(behind_door).sync()
    assert report.agreed, report
    goal = clinic.get("Goal/g1")
    assert (goal["description"]["text"], goal["meta"]["versionId"]) == ("Once", "2")


def test_an_edit_made_after_a_lost_reply_is_sent_and_is_no_conflict(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "First"})
    fail_first(door, "PUT", "cut")
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "Second"})
    assert later(behind_door).sync().agreed
    assert clinic.get("Goal/g1")["description"]["text"] == "Second"


def cut_update(clinic: Any, door: Any, behind_door: Any, make: Any, fault: str = "cut") -> None:
    """A change of ours of which nobody here hears whether it landed; with "cut" it has, with "refuse" it has not."""
    clinic.put(make.patient())
    clinic.put(make.goal(text="Agreed"))
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "First"})
    fail_first(door, "PUT", fault)
    behind_door.sync()


@pytest.mark.parametrize("words", ["Second", "Agreed"])
@pytest.mark.parametrize("first", ["pull", "push"])
def test_an_edit_of_the_clinics_on_top_of_a_change_whose_reply_was_lost_is_no_conflict(
    first: str, words: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    cut_update(clinic, door, behind_door, make)
    clinic.put({**clinic.get("Goal/g1"), "statusReason": "The clinic's reason"})
    behind_door.edit("Goal", "g1", description={"text": words})
    again = later(behind_door)
    if first == "push":
        push(again.sides, Tally())
    assert again.sync().agreed
    assert behind_door.conflicts() == []
    goal = clinic.get("Goal/g1")
    assert (goal["description"]["text"], goal["statusReason"]) == (words, "The clinic's reason")


def test_the_clinics_own_words_after_a_lost_reply_are_still_a_conflict(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    cut_update(clinic, door, behind_door, make)
    clinic.put({**clinic.get("Goal/g1"), "description": {"text": "The clinic's"}})
    behind_door.edit("Goal", "g1", description={"text": "Second"})
    later(behind_door).sync()
    (kept,) = behind_door.conflicts()
    assert kept.paths == ("Goal.description",)
    assert clinic.get("Goal/g1")["description"]["text"] == "The clinic's"


def test_a_change_that_surely_never_left_is_not_taken_for_what_the_clinic_wrote(
    clinic: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal(text="Agreed"))
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "The same words"})
    behind_door.edit("Goal", "g1", description={"text": "Second"})
    clinic.put({**clinic.get("Goal/g1"), "description": {"text": "The same words"}, "statusReason": "Theirs"})
    behind_door.sync()
    (kept,) = behind_door.conflicts()
    assert kept.paths == ("Goal.description",)


def test_an_edit_of_the_clinics_on_top_of_a_lost_create_is_no_conflict(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine", text="First"))
    door.fault = lambda method, path: "cut" if method == "POST" else "500" if "/Goal" in path else ""
    behind_door.sync()
    (made,) = clinic.all("Goal")
    clinic.put({**made, "statusReason": "The clinic's reason"})
    behind_door.edit("Goal", "mine", description={"text": "Second"})
    door.fault = lambda _method, _path: ""
    assert later(behind_door).sync().agreed
    (goal,) = clinic.all("Goal")
    assert (goal["description"]["text"], goal["statusReason"]) == ("Second", "The clinic's reason")


def test_an_edit_made_after_a_lost_create_is_sent_and_is_no_second_resource(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine"))
    fail_first(door, "POST", "cut")
    behind_door.sync()
    behind_door.edit("Goal", "mine", description={"text": "Second"})
    assert later(behind_door).sync().agreed
    assert [item["description"]["text"] for item in clinic.all("Goal")] == ["Second"]


def test_a_lost_create_that_is_deleted_here_is_deleted_there(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine"))

    def lost_for_good(method: str, path: str) -> str:
        return "cut" if method == "POST" else "500" if "Goal" in path else ""

    door.fault = lost_for_good
    behind_door.sync()
    behind_door.delete("Goal", "mine")
    door.fault = lambda _method, _path: ""
    assert later(behind_door).sync().agreed
    assert clinic.all("Goal") == []
    assert behind_door.get("Goal", "mine") is None


def test_a_deletion_whose_reply_is_lost_is_settled(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    behind_door.delete("Goal", "g1")
    fail_first(door, "DELETE", "cut")
    behind_door.sync()
    assert later(behind_door).sync().agreed
    assert clinic.status("Goal/g1") == 410


def test_the_clinic_may_refer_to_a_lost_creation_before_we_know_it(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("mine"))
    door.fault = lambda method, path: "cut" if method == "POST" else "500" if "/Goal" in path else ""
    behind_door.sync()
    (made,) = clinic.all("Goal")
    clinic.put(make.plan("theirs", goal=[{"reference": f"Goal/{made['id']}"}]))
    behind_door.sync()
    door.fault = lambda _method, _path: ""
    assert later(behind_door).sync().agreed
    assert behind_door.get("CarePlan", "theirs")["goal"] == [{"reference": "Goal/mine"}]
    assert behind_door.get("Goal", made["id"]) is None
    assert len(clinic.all("Goal")) == 1


@pytest.mark.parametrize("fault", ["refuse", "500", "html", "empty"])
def test_an_ehr_that_is_down_loses_nothing_and_is_told_plainly(
    fault: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    behind_door.save(make.patient("mine"))
    door.fault = lambda _method, _path: fault
    report = behind_door.sync()
    assert not report.agreed
    assert report.waiting == 1
    assert report.problems
    door.fault = lambda _method, _path: ""
    assert later(behind_door).sync().agreed
    assert len(clinic.all("Patient")) == 1


def test_a_slow_ehr_is_given_up_on_and_asked_again_later(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    behind_door.sync()
    behind_door.save(make.patient("mine"))
    fail_first(door, "POST", "slow")
    behind_door.sync()
    assert [row.state for row in behind_door.waiting()] == ["waiting"]
    assert later(behind_door).sync().agreed
    assert len(clinic.all("Patient")) == 1


def test_a_page_that_breaks_off_is_asked_for_again(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    clinic.put(make.patient())
    left = [1]

    def once(method: str, path: str) -> str:
        if "Patient?" in path and left[0]:
            left[0] -= 1
            return "half"
        return ""

    door.fault = once
    assert behind_door.sync().agreed
    assert behind_door.get("Patient", "p1") is not None
