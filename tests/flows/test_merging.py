"""Edits of both sides in different fields meet in one resource; the same field waits for a person, or for a policy."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest

from fhirplan.errors import InvalidResource, Issue, VersionMismatch
from fhirplan.merge.policy import Policy
from fhirplan.store import versions
from fhirplan.store.sync import conflicts
from fhirplan.sync.explain import explained
from fhirplan.sync.push import push_now
from fhirplan.sync.resolve import Edited, Fields, resolve

NOTE = [{"text": "She asked about the walker"}]


@pytest.fixture
def linked(clinic: Any, ours: Any, make: Any) -> Any:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    return ours


def with_policy(ours: Any, policy: Policy) -> Any:
    return type(ours)(dataclasses.replace(ours.sides, policy=policy))


def told(ours: Any) -> Any:
    (known,) = ours.conflicts()
    with ours.database.read() as tx:
        return explained(tx, "default", known, clinic="the clinic", validate=ours.sides.validate)


def test_edits_of_different_fields_are_both_kept_on_both_sides(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(target=[{"dueDate": "2026-10-01"}]))
    linked.edit("Goal", "g1", note=NOTE)
    report = linked.sync()
    assert report.agreed, report
    for copy in (linked.get("Goal", "g1"), clinic.get("Goal/g1")):
        assert (copy["note"], copy["target"]) == (NOTE, [{"dueDate": "2026-10-01"}])
    assert sum(item.merged for item in report.types) == 1


def test_a_push_that_meets_an_edit_of_another_field_merges_and_sends_at_once(
    clinic: Any, linked: Any, make: Any
) -> None:
    clinic.put(make.goal(target=[{"dueDate": "2026-10-01"}]))
    linked.edit("Goal", "g1", note=NOTE)
    receipt = push_now(linked.sides, "Goal", "g1")
    assert (receipt.state, receipt.version) == ("sent", 3)
    copy = clinic.get("Goal/g1")
    assert (copy["note"], copy["target"]) == (NOTE, [{"dueDate": "2026-10-01"}])
    assert not linked.waiting()


def test_the_same_field_changed_differently_waits_with_a_sentence(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(startDate="2026-10-01", note=NOTE))
    linked.edit("Goal", "g1", startDate="2026-10-15")
    assert linked.sync().conflicts == 1
    known = told(linked)
    assert known.conflict.paths == ("Goal.start",)
    assert "2026-10-01" in known.words[0]
    assert "2026-10-15" in known.words[0]
    assert known.here.actor == "Practitioner/nurse"
    assert known.there.at


def test_a_merge_that_breaks_a_rule_neither_side_broke_waits_too(clinic: Any, linked: Any, make: Any) -> None:
    def rule(resource: Any) -> tuple[Issue, ...]:
        broken = "note" in resource and "target" in resource
        return (Issue("error", "invariant", "A note and a target exclude each other.", rule="x-1"),) if broken else ()

    strict = type(linked)(dataclasses.replace(linked.sides, validate=rule))
    clinic.put(make.goal(target=[{"dueDate": "2026-10-01"}]))
    strict.edit("Goal", "g1", note=NOTE)
    assert strict.sync().conflicts == 1
    assert "A note and a target exclude each other." in told(strict).words
    assert "note" not in clinic.get("Goal/g1")


@pytest.mark.parametrize(("policy", "kept"), [("ehr", "the clinic's"), ("ours", "ours"), ("newest", "ours")])
def test_a_policy_decides_and_what_gave_way_is_kept(
    policy: Any, kept: str, clinic: Any, linked: Any, make: Any
) -> None:
    decided = with_policy(linked, Policy("ask", {"Goal.description": policy}))
    clinic.put(make.goal(text="the clinic's"))
    time.sleep(0.02)
    decided.edit("Goal", "g1", description={"text": "ours"})
    assert decided.sync().agreed
    assert decided.get("Goal", "g1")["description"]["text"] == kept
    assert clinic.get("Goal/g1")["description"]["text"] == kept
    with decided.database.read() as tx:
        (noted,) = conflicts.listed(tx, "default", resolved=True)
        words = {v.resource()["description"]["text"] for v in versions.history(tx, "default", "Goal", "g1", count=9)}
    assert noted.remote["description"]["text"] == "the clinic's"
    assert "ours" in words


def test_a_person_chooses_field_by_field(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(text="theirs", startDate="2026-10-01", note=NOTE))
    linked.edit("Goal", "g1", description={"text": "ours"}, startDate="2026-10-15")
    linked.sync()
    known = told(linked)
    with pytest.raises(InvalidResource) as refused:
        resolve(linked.sides, known.conflict.cid, Fields({"Goal.description": "ours"}), actor="nurse")
    assert "Goal.start" in refused.value.text
    choices = {"Goal.description": "ours", "Goal.start": "theirs"}
    resolve(linked.sides, known.conflict.cid, Fields(choices), actor="nurse", seen=known.edition)
    assert linked.sync().agreed
    for copy in (linked.get("Goal", "g1"), clinic.get("Goal/g1")):
        assert (copy["description"]["text"], copy["startDate"], copy["note"]) == ("ours", "2026-10-01", NOTE)


def test_a_person_writes_what_is_to_count(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(text="theirs"))
    linked.edit("Goal", "g1", description={"text": "ours"})
    linked.sync()
    cid = told(linked).conflict.cid
    with pytest.raises(InvalidResource):
        resolve(linked.sides, cid, Edited(make.goal("another")), actor="nurse")
    resolve(linked.sides, cid, Edited(make.goal(text="what both meant")), actor="nurse")
    assert linked.sync().agreed
    assert clinic.get("Goal/g1")["description"]["text"] == "what both meant"


def test_what_was_not_seen_is_not_decided(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(text="theirs"))
    linked.edit("Goal", "g1", description={"text": "ours"})
    linked.sync()
    known = told(linked)
    linked.edit("Goal", "g1", description={"text": "our second thought"})
    with pytest.raises(VersionMismatch):
        resolve(linked.sides, known.conflict.cid, "ours", actor="nurse", seen=known.edition)
    resolve(linked.sides, known.conflict.cid, "ours", actor="nurse", seen=told(linked).edition)


def test_who_decided_is_recorded_and_sent(clinic: Any, linked: Any, make: Any) -> None:
    clinic.put(make.goal(text="theirs"))
    linked.edit("Goal", "g1", description={"text": "ours"})
    linked.sync()
    resolve(linked.sides, told(linked).conflict.cid, "ours", actor="Nurse Ada")
    assert linked.sync().agreed
    (recorded,) = clinic.all("Provenance")
    assert recorded["target"] == [{"reference": "Goal/g1"}]
    assert recorded["agent"][0]["who"]["display"] == "Nurse Ada"


def test_a_narrative_that_tells_one_sides_fields_only_is_left_out(clinic: Any, linked: Any, make: Any) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Due in October</div>'
    told_there = {"text": {"status": "generated", "div": div}}
    clinic.put({**make.goal(target=[{"dueDate": "2026-10-01"}]), **told_there})
    linked.edit("Goal", "g1", note=NOTE)
    assert linked.sync().agreed
    assert "text" not in linked.get("Goal", "g1")
