"""An edit in the clinic and an edit here: neither overwrites the other, and a person decides."""

from __future__ import annotations

from typing import Any

import pytest

from fhirplan.errors import NotFound, VersionMismatch
from fhirplan.sync.push import push_now
from fhirplan.sync.resolve import resolve


@pytest.fixture
def torn(clinic: Any, ours: Any, make: Any) -> Any:
    """A goal that both sides changed, after one sync noticed it."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The clinic's words"))
    ours.edit("Goal", "g1", description={"text": "Our words"})
    return ours


def words(resource: Any) -> str:
    return str(resource["description"]["text"])


def test_neither_side_is_overwritten(clinic: Any, torn: Any) -> None:
    report = torn.sync()
    assert not report.agreed
    assert report.conflicts == 1
    assert words(torn.get("Goal", "g1")) == "Our words"
    assert words(clinic.get("Goal/g1")) == "The clinic's words"
    (kept,) = torn.conflicts()
    assert [words(copy) for copy in (kept.base, kept.local, kept.remote)] == [
        "Walk to the mailbox",
        "Our words",
        "The clinic's words",
    ]
    assert kept.paths == ("Goal.description",)
    assert [row.state for row in torn.waiting()] == ["held"]


def test_the_push_that_meets_an_unseen_edit_makes_a_conflict_too(clinic: Any, torn: Any) -> None:
    receipt = push_now(torn.sides, "Goal", "g1")
    assert receipt.state == "conflict"
    assert words(clinic.get("Goal/g1")) == "The clinic's words"
    assert len(torn.conflicts()) == 1


def test_a_conflict_holds_up_nothing_else(clinic: Any, torn: Any, make: Any) -> None:
    torn.save(make.goal("other"))
    report = torn.sync()
    assert (report.conflicts, report.waiting) == (1, 0)
    assert len(clinic.all("Goal")) == 2


def test_a_later_edit_of_a_held_resource_waits_with_it(clinic: Any, torn: Any) -> None:
    torn.sync()
    torn.edit("Goal", "g1", description={"text": "Our second thought"})
    torn.sync()
    assert words(clinic.get("Goal/g1")) == "The clinic's words"
    assert {row.state for row in torn.waiting()} == {"held"}
    assert len(torn.conflicts()) == 1


def test_taking_theirs_ends_it_on_our_side(clinic: Any, torn: Any) -> None:
    torn.sync()
    resolve(torn.sides, torn.conflicts()[0].cid, "theirs", actor="nurse")
    assert words(torn.get("Goal", "g1")) == "The clinic's words"
    assert torn.sync().agreed
    assert words(clinic.get("Goal/g1")) == "The clinic's words"


def test_taking_ours_sends_our_current_version(clinic: Any, torn: Any) -> None:
    torn.sync()
    torn.edit("Goal", "g1", description={"text": "Our second thought"})
    resolve(torn.sides, torn.conflicts()[0].cid, "ours", actor="nurse")
    assert torn.sync().agreed
    assert words(clinic.get("Goal/g1")) == "Our second thought"
    assert words(torn.get("Goal", "g1")) == "Our second thought"


def test_a_resolution_does_not_overwrite_an_edit_made_after_it_was_shown(clinic: Any, torn: Any, make: Any) -> None:
    torn.sync()
    clinic.put(make.goal(text="The clinic once more"))
    resolve(torn.sides, torn.conflicts()[0].cid, "ours", actor="nurse")
    report = torn.sync()
    assert report.conflicts == 1
    assert words(clinic.get("Goal/g1")) == "The clinic once more"


def test_a_conflict_is_resolved_once(torn: Any) -> None:
    torn.sync()
    number = torn.conflicts()[0].cid
    resolve(torn.sides, number, "theirs", actor="nurse")
    with pytest.raises(VersionMismatch):
        resolve(torn.sides, number, "ours", actor="somebody else")
    with pytest.raises(NotFound):
        resolve(torn.sides, 4711, "ours", actor="nurse")


def test_an_edit_here_and_a_deletion_there_is_a_conflict(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.delete("Goal/g1")
    ours.edit("Goal", "g1", description={"text": "Our words"})
    assert ours.sync().conflicts == 1
    assert ours.get("Goal", "g1") is not None
    resolve(ours.sides, ours.conflicts()[0].cid, "ours", actor="nurse")
    assert ours.sync().agreed
    (made,) = clinic.all("Goal")
    assert words(made) == "Our words"


def test_a_deletion_here_and_an_edit_there_is_a_conflict(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The clinic's words"))
    ours.delete("Goal", "g1")
    assert ours.sync().conflicts == 1
    assert words(clinic.get("Goal/g1")) == "The clinic's words"
    resolve(ours.sides, ours.conflicts()[0].cid, "theirs", actor="nurse")
    assert ours.sync().agreed
    assert words(ours.get("Goal", "g1")) == "The clinic's words"


def test_the_same_edit_on_both_sides_is_no_conflict(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The same words"))
    ours.edit("Goal", "g1", description={"text": "The same words"})
    assert ours.sync().agreed


def test_a_conflict_whose_reason_is_gone_closes_by_itself(clinic: Any, torn: Any, make: Any) -> None:
    torn.sync()
    clinic.put(make.goal(text="Our words"))
    assert torn.sync().agreed
    assert torn.conflicts() == []
