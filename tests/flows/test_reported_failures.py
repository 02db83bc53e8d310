"""Failures that projects of this kind have reported, each once as a test of ours."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
import requests

from fhirplan.sync.push import push
from fhirplan.sync.report import Tally


def test_one_invalid_resource_does_not_block_the_upload(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    """An Android FHIR app stopped for good at the first resource its server refused."""
    clinic.put(make.patient())
    behind_door.sync()
    door.poison = b"Goal 3"
    for number in range(8):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    report = behind_door.sync()
    assert (report.parked, report.waiting, len(clinic.all("Goal"))) == (1, 0, 7)


@pytest.mark.parametrize("seconds", [-20, 0])
def test_a_resource_at_or_behind_the_checkpoint_is_not_lost(seconds: int, clinic: Any, ours: Any, make: Any) -> None:
    """A search with _lastUpdated=gt lost what shared the newest time, or was written by a slow clock."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    rules = {"rules": [{"fault": "skew", "seconds": seconds, "times": 1}], "seed": 1}
    assert requests.post(f"{clinic.server.url}/admin/faults", json=rules, timeout=5).status_code == 200
    clinic.put(make.goal("behind", "Written by the slow clock"))
    ours.sync()
    assert ours.get("Goal", "behind") is not None


def test_two_workers_at_once_make_no_duplicates(clinic: Any, ours: Any, sides_of: Any, make: Any) -> None:
    """Parallel conditional creates made the same resource twice."""
    clinic.put(make.patient())
    ours.sync()
    for number in range(20):
        ours.save(make.goal(f"g-{number}", f"Goal {number}"))
    workers = [sides_of(clinic.base), sides_of(clinic.base)]
    start = threading.Barrier(2)

    def work(sides: Any) -> None:
        start.wait()
        push(sides, Tally(), everything=True)

    threads = [threading.Thread(target=work, args=(sides,)) for sides in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ours.sync().agreed
    assert sorted(goal["description"]["text"] for goal in clinic.all("Goal")) == sorted(f"Goal {n}" for n in range(20))


def test_a_version_race_leaves_a_resource_that_can_still_be_updated(clinic: Any, ours: Any, make: Any) -> None:
    """After a race for a version, every later update of the resource was refused."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    for number in range(3):
        clinic.put({**clinic.get("Goal/g1"), "startDate": f"2026-10-0{number + 1}"})
        ours.edit("Goal", "g1", description={"text": f"Attempt {number}"})
        assert ours.sync().agreed
        assert clinic.get("Goal/g1")["description"]["text"] == f"Attempt {number}"


def test_a_list_that_changed_there_does_not_make_our_change_hit_another_item(clinic: Any, ours: Any, make: Any) -> None:
    """A JSON Patch by index changed the wrong element after somebody had put one before it."""
    one, two = {"text": "Ask about the walker"}, {"text": "Call the daughter"}
    clinic.put(make.patient())
    clinic.put(make.goal(note=[one, two]))
    ours.sync()
    clinic.put(make.goal(note=[{"text": "New at the top"}, one, two]))
    ours.edit("Goal", "g1", note=[one, {"text": "Call the daughter", "time": "2026-10-01"}])
    assert ours.sync().agreed
    told = [item["text"] for item in clinic.get("Goal/g1")["note"]]
    assert told == ["New at the top", "Ask about the walker", "Call the daughter"]
    assert "time" in clinic.get("Goal/g1")["note"][2]


def test_care_team_members_of_any_type_go_both_ways(clinic: Any, ours: Any, make: Any) -> None:
    """CareTeam participants that were no Practitioner were refused."""
    clinic.put(make.patient())
    clinic.put({"resourceType": "Organization", "id": "o1", "name": "Home health"})
    clinic.put({"resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p1"}})
    members = [{"member": {"reference": ref}} for ref in ("Patient/p1", "Organization/o1", "RelatedPerson/r1")]
    about = {"resourceType": "CareTeam", "status": "active", "subject": {"reference": "Patient/p1"}}
    clinic.put({**about, "id": "theirs", "participant": members})
    assert ours.sync().agreed
    assert ours.get("CareTeam", "theirs")["participant"] == members
    ours.save({**about, "id": "mine", "participant": members})
    assert ours.sync().agreed
    assert [team["participant"] for team in clinic.all("CareTeam")] == [members, members]


def test_a_bundle_too_large_does_not_time_out_for_ever(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    """A bundle that was too large to be answered in time was sent again as it was, again and again."""
    clinic.put(make.patient())
    behind_door.sync()
    answered = door._refusal
    door._refusal = lambda method, request: "refuse" if request.count(b'"fullUrl"') > 4 else answered(method, request)
    for number in range(12):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    clock, sides = behind_door.sides.clock, behind_door.sides
    for hours in range(1, 6):
        sides = dataclasses.replace(sides, clock=lambda ahead=hours: clock() + ahead * 3_600_000)
        push(sides, Tally(), everything=True)
    assert sorted(goal["description"]["text"] for goal in clinic.all("Goal")) == sorted(f"Goal {n}" for n in range(12))


def test_what_looks_the_same_in_one_transaction_is_not_dropped(clinic: Any, ours: Any, make: Any) -> None:
    """Of entries of one transaction with the same condition only the first was kept."""
    clinic.put(make.patient())
    ours.sync()
    shared = [{"system": "http://example.org/programme", "value": "heart-failure"}]
    for number in range(3):
        ours.save(make.goal(f"g-{number}", "The same words", identifier=shared))
    assert ours.sync().agreed
    assert len(clinic.all("Goal")) == 3
    assert len({ours.link("Goal", f"g-{number}").ehr_id for number in range(3)}) == 3


def test_an_error_that_does_not_say_which_entry_failed_parks_that_entry_alone(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    """A transaction's error named no entry, so that nobody knew what to correct."""
    clinic.put(make.patient())
    behind_door.sync()
    door.poison = b"Goal 5"
    for number in range(9):
        behind_door.save(make.goal(f"g-{number}", f"Goal {number}"))
    report = behind_door.sync()
    assert (report.parked, report.pushed) == (1, 8)
    assert [(row.id, row.state) for row in behind_door.waiting()] == [("g-5", "parked")]
    assert any("Goal/g-5 is parked" in reason for reason in report.reasons)


def test_references_are_rewritten_in_updates_as_in_creates(clinic: Any, ours: Any, make: Any) -> None:
    """Ids were rewritten when a resource was created, and an update wrote our own ids over them."""
    clinic.put(make.patient())
    ours.sync()
    ours.save(make.goal("first"))
    ours.save(make.plan("cp", goal=[{"reference": "Goal/first"}]))
    assert ours.sync().agreed
    ours.save(make.goal("second"))
    ours.edit("CarePlan", "cp", goal=[{"reference": "Goal/first"}, {"reference": "Goal/second"}])
    assert ours.sync().agreed
    there = {f"Goal/{ours.link('Goal', id_).ehr_id}" for id_ in ("first", "second")}
    assert {item["reference"] for item in clinic.all("CarePlan")[0]["goal"]} == there
