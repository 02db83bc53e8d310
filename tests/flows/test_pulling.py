"""Pulling what changed: ties, overlaps, wrong resources, absences and references to what is not here yet."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan.errors import Issue
from fhirplan.store import findings, versions
from fhirplan.store.sync import checkpoints, leases
from fhirplan.sync.pull import pull
from fhirplan.sync.report import Tally


def since(ours: Any, type_: str) -> str:
    with ours.database.read() as tx:
        return checkpoints.get(tx, "default", type_)


def test_a_change_of_the_same_millisecond_as_the_checkpoint_is_not_lost(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient("p1"))
    ours.sync()
    known = since(ours, "Patient")
    clinic.put(make.patient("p2"))
    clinic.store._db.execute("UPDATE version SET updated = (SELECT min(updated) FROM version)")
    assert ours.sync().agreed
    assert since(ours, "Patient") <= known or known
    assert ours.get("Patient", "p2") is not None


def test_a_change_stamped_a_little_before_the_checkpoint_is_not_lost(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient("p1"))
    ours.sync()
    clinic.put(make.patient("p2"))
    clinic.store._db.execute("UPDATE version SET updated = updated - 20000 WHERE id = 'p2'")
    assert ours.sync().agreed
    assert ours.get("Patient", "p2") is not None


def test_pages_are_followed_and_counted_once(clinic: Any, ours: Any, make: Any) -> None:
    for number in range(230):
        clinic.put(make.patient(f"p{number}"))
    tally = Tally()
    pull(ours.sides, tally)
    assert {item.type: item.new for item in tally.types()} == {"Patient": 230}


def test_a_pull_that_stops_half_way_starts_again_where_it_was(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    for number in range(130):
        clinic.put(make.patient(f"p{number}"))
    asked: list[str] = []

    def second_page_fails(_method: str, path: str) -> str:
        asked.append(path)
        return "500" if "Patient?" in path and len([a for a in asked if "Patient?" in a]) > 1 else ""

    door.fault = second_page_fails
    assert not behind_door.sync().agreed
    assert since(behind_door, "Patient") == ""
    assert behind_door.get("Patient", "p0") is not None
    door.fault = lambda *_: ""
    assert behind_door.sync().agreed
    assert behind_door.get("Patient", "p129") is not None
    assert since(behind_door, "Patient") != ""


def test_one_resource_that_is_no_fhir_blocks_no_other(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient("good"))
    clinic.put(make.patient("bad"))
    clinic.put(make.patient("also-good"))
    broken = (
        b'{"resourceType":"Patient","id":"bad/../id","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z"}}'
    )
    clinic.store._db.execute("UPDATE version SET body = ? WHERE id = 'bad'", (broken,))
    report = ours.sync()
    assert ours.get("Patient", "good") is not None
    assert ours.get("Patient", "also-good") is not None
    assert ours.link("Patient", "good") is not None
    assert report.conflicts == 0


def test_a_resource_that_cannot_be_kept_is_told_and_the_rest_flows(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhirplan.sync import absorb, keeping

    real = absorb.commit

    def picky(tx: Any, connection: str, changes: Any, **more: Any) -> Any:
        if any(change.id == "bad" for change in changes):
            raise TypeError("a shape nobody foresaw")
        return real(tx, connection, changes, **more)

    for module in (absorb, keeping):
        monkeypatch.setattr(module, "commit", picky)
    for id_ in ("good", "bad", "also-good"):
        clinic.put(make.patient(id_))
    report = ours.sync()
    assert not report.agreed
    assert any("Patient/bad" in problem for problem in report.problems)
    assert ours.get("Patient", "also-good") is not None
    ours.sync()
    assert [(r.route, r.state) for r in ours.receipts("Patient", "bad")] == [("pull", "parked")]


def test_findings_are_kept_and_keep_nothing_out(clinic: Any, ours: Any, make: Any) -> None:
    found = Issue("error", "required", "A goal needs a reason.", "Goal.description")
    strict = type(ours)(dataclasses.replace(ours.sides, validate=lambda _resource: (found,)))
    clinic.put(make.patient())
    report = strict.sync()
    assert report.agreed
    assert sum(item.with_findings for item in report.types) == 1
    with ours.database.read() as tx:
        version = versions.current(tx, "default", "Patient", "p1")
        assert version is not None
        assert [item.text for item in findings.of(tx, version.rid, version.version)] == [found.text]


def test_a_validator_that_fails_keeps_nothing_out(clinic: Any, ours: Any, make: Any) -> None:
    def fails(_resource: Any) -> Any:
        raise KeyError("unforeseen")

    clinic.put(make.patient())
    assert type(ours)(dataclasses.replace(ours.sides, validate=fails)).sync().agreed
    assert ours.get("Patient", "p1") is not None


def test_an_ehr_that_suddenly_shows_nothing_deletes_nothing_here(clinic: Any, ours: Any, make: Any) -> None:
    for number in range(30):
        clinic.put(make.patient(f"p{number}"))
    ours.sync()
    clinic.store.reset()
    report = ours.sync(full=True)
    assert ours.get("Patient", "p0") is not None
    assert any(type_ == "Patient" and "30" in reason for type_, reason in report.skipped)


def test_absence_from_a_complete_listing_is_believed_only_when_the_ehr_says_gone(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        clinic.put(make.patient(f"p{number}"))
    ours.sync()
    known = ours.sides.client.capabilities()
    plain = dataclasses.replace(
        known.types["Patient"], interactions=known.types["Patient"].interactions - {"history-type"}
    )
    monkeypatch.setattr(
        ours.sides.client, "_known", dataclasses.replace(known, types={**known.types, "Patient": plain})
    )
    clinic.delete("Patient/p3")
    real = ours.sides.client.search
    monkeypatch.setattr(
        ours.sides.client,
        "search",
        lambda type_, params: (
            dataclasses.replace(page, resources=tuple(r for r in page.resources if r["id"] != "p1"))
            for page in real(type_, params)
        ),
    )
    ours.sync(full=True)
    assert ours.get("Patient", "p3") is None
    assert ours.get("Patient", "p1") is not None


def test_a_deleted_resource_that_comes_back_there_comes_back_here(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    clinic.delete("Patient/p1")
    ours.sync()
    assert ours.get("Patient", "p1") is None
    clinic.put(make.patient(gender="other"))
    assert ours.sync().agreed
    assert ours.get("Patient", "p1")["gender"] == "other"


def test_a_reference_to_what_was_not_seen_yet_is_right_at_once_and_stays_right(
    clinic: Any, ours: Any, make: Any
) -> None:
    ours.save(make.patient("team"))
    clinic.put(make.patient())
    clinic.put(make.goal(addresses=[{"reference": "Condition/late"}]))
    ours.sync()
    assert ours.get("Goal", "g1")["addresses"] == [{"reference": "Condition/late"}]
    assert ours.link("Condition", "late").base is None
    clinic.put({"resourceType": "Condition", "id": "late", "subject": {"reference": "Patient/p1"}})
    assert ours.sync().agreed
    assert ours.get("Condition", "late")["subject"] == {"reference": "Patient/p1"}


def test_an_id_that_is_taken_here_gives_way_to_a_new_one(clinic: Any, ours: Any, make: Any) -> None:
    ours.save(make.patient("p1", gender="female"))
    clinic.put(make.patient("p1", gender="male"))
    clinic.put(make.goal())
    report = ours.sync()
    assert report.agreed, report
    assert ours.get("Patient", "p1")["gender"] == "female"
    subject = ours.get("Goal", "g1")["subject"]["reference"]
    assert subject != "Patient/p1"
    assert ours.get(*subject.split("/"))["gender"] == "male"
    assert sorted(item["gender"] for item in clinic.all("Patient")) == ["female", "male"]


def test_a_copy_made_in_the_ehr_of_our_resource_is_a_resource_of_its_own(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.save(make.goal("mine"))
    ours.sync()
    (original,) = clinic.all("Goal")
    clinic.post({key: value for key, value in original.items() if key not in ("id", "meta")})
    assert ours.sync().agreed
    assert ours.link("Goal", "mine").ehr_id == original["id"]
    assert len(clinic.all("Goal")) == 2


def test_versioned_and_foreign_references_are_kept_true(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    focus = {"reference": "Goal/g1/_history/1"}
    foreign = {"reference": "Medication/m1"}
    clinic.put(make.task(focus=focus, reasonReference=foreign))
    ours.sync()
    held = ours.get("Task", "t1")
    assert held["focus"] == {"reference": f"{clinic.base}/Goal/g1/_history/1"}
    assert held["reasonReference"] == {"reference": f"{clinic.base}/Medication/m1"}
    ours.edit("Task", "t1", status="accepted")
    assert ours.sync().agreed
    there = clinic.get("Task/t1")
    assert (there["focus"], there["reasonReference"], there["status"]) == (focus, foreign, "accepted")


def test_what_is_being_sent_is_not_decided_and_not_passed_by_the_checkpoint(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    ours.edit("Goal", "g1", description={"text": "Ours"})
    with ours.database.write() as tx:
        lease = ours.sides.clock() + 60_000
        leases.claim(tx, "default", "Goal", "g1", worker="other", lease_until=lease)
    clinic.put(make.goal(text="Theirs"))
    held_at = clinic.get("Goal/g1")["meta"]["lastUpdated"]
    clinic.put(make.goal("g2"))
    pull(ours.sides, Tally())
    assert ours.conflicts() == []
    assert since(ours, "Goal") == held_at


def test_a_type_the_ehr_does_not_offer_is_skipped_and_said(clinic: Any, ours: Any, make: Any, monkeypatch: Any) -> None:
    known = ours.sides.client.capabilities()
    fewer = {name: item for name, item in known.types.items() if name != "Task"}
    monkeypatch.setattr(ours.sides.client, "_known", dataclasses.replace(known, types=fewer))
    report = ours.sync()
    assert dict(report.skipped)["Task"]
    assert report.agreed
    ours.save(make.task("mine"))
    assert ours.sync().parked == 1


def test_an_ehr_without_last_updated_is_compared_as_a_whole(
    clinic: Any, ours: Any, make: Any, monkeypatch: Any
) -> None:
    known = ours.sides.client.capabilities()
    plain = {
        name: dataclasses.replace(
            item, search=item.search - {"_lastUpdated"}, interactions=item.interactions - {"history-type"}
        )
        for name, item in known.types.items()
    }
    monkeypatch.setattr(ours.sides.client, "_known", dataclasses.replace(known, types=plain))
    clinic.put(make.patient("p1"))
    clinic.put(make.patient("p2"))
    ours.sync()
    clinic.put(make.patient("p1", gender="male"))
    clinic.delete("Patient/p2")
    assert ours.sync().agreed
    assert ours.get("Patient", "p1")["gender"] == "male"
    assert ours.get("Patient", "p2") is None
