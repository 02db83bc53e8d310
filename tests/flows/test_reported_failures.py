"""Failures that projects of this kind have reported, each once as a test of ours."""

from __future__ import annotations

import dataclasses
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from fhirplan.errors import EhrUnavailable
from fhirplan.fhir import codec
from fhirplan.store.sync import notices
from fhirplan.sync.notices import fetch
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

    with ThreadPoolExecutor(2) as together:
        list(together.map(work, workers))
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


def test_a_notice_is_kept_until_the_ehr_answers(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    """Subscription notices were retried for a minute, then lost."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    clinic.put(make.goal(text="Changed"))
    with behind_door.database.write() as tx:
        notices.put(tx, "default", [("Goal", "g1")], behind_door.sides.clock())
    door.fault = lambda _method, _path: "refuse"
    for _ in range(3):
        with pytest.raises(EhrUnavailable):
            fetch(behind_door.sides, Tally())
    door.fault = lambda *_: ""
    fetch(behind_door.sides, Tally())
    assert behind_door.get("Goal", "g1")["description"]["text"] == "Changed"


def pages_of(ours: Any, monkeypatch: pytest.MonkeyPatch, type_: str, change: Any) -> None:
    """Changes the Bundles that the EHR answers a search of a type with."""
    real = ours.sides.client._via.get

    def get(address: str, params: Any = None) -> Any:
        answer = real(address, params)
        if not re.search(rf"(^|/){type_}(\?|$)", address):
            return answer
        bundle = codec.loads(answer.body)
        change(bundle)
        return dataclasses.replace(answer, body=codec.dumps(bundle))

    monkeypatch.setattr(ours.sides.client._via, "get", get)


def test_what_a_page_includes_is_not_taken(clinic: Any, ours: Any, make: Any, monkeypatch: Any) -> None:
    """_include brought resources of other patients across the compartment."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    foreign = {"resource": make.goal("foreign", subject={"reference": "Patient/p9"}), "search": {"mode": "include"}}
    pages_of(ours, monkeypatch, "Goal", lambda bundle: bundle["entry"].append(foreign))
    assert ours.sync().agreed
    assert ours.get("Goal", "g1") is not None
    assert ours.get("Goal", "foreign") is None


def test_a_search_that_ignored_its_patient_is_refused(
    clinic: Any, ours: Any, make: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    """An EHR without a search parameter ignored it with a warning, and gave everybody's resources."""
    (tmp_path / "patients").write_text("p1\n", encoding="utf-8")
    only = type(ours)(dataclasses.replace(ours.sides, patients=str(tmp_path / "patients")))
    clinic.put(make.patient())
    clinic.put(make.goal())
    other = {"resource": make.goal("foreign", subject={"reference": "Patient/p9"})}
    pages_of(only, monkeypatch, "Goal", lambda bundle: bundle.setdefault("entry", []).append(other))
    report = only.sync()
    assert any("others' too" in problem for problem in report.problems)
    assert only.get("Goal", "foreign") is None


def test_a_list_without_a_next_link_is_not_taken_for_the_whole(
    clinic: Any, ours: Any, make: Any, monkeypatch: Any
) -> None:
    """A list was cut at the page size with nothing to tell it but its total."""
    for number in range(130):
        clinic.put(make.patient(f"p{number}"))
    pages_of(ours, monkeypatch, "Patient", lambda bundle: bundle.pop("link", None))
    report = ours.sync()
    assert not report.agreed
    assert any("130" in problem and "100" in problem for problem in report.problems)


def test_a_total_that_counts_what_we_may_not_see_is_told_and_nothing_is_taken_for_deleted(
    clinic: Any, ours: Any, make: Any, monkeypatch: Any
) -> None:
    """Resources that a scope hides were counted, and taken for deleted."""
    for number in range(5):
        clinic.put(make.patient(f"p{number}"))
    ours.sync()

    def hidden(bundle: Any) -> None:
        bundle["entry"] = bundle["entry"][:3]

    pages_of(ours, monkeypatch, "Patient", hidden)
    report = ours.sync(full=True)
    assert report.agreed
    assert "counts 5" in dict(report.skipped)["Patient"]
    assert all(ours.get("Patient", f"p{number}") is not None for number in range(5))
