"""A plan is read from the EHR, changed here, and agreed by both."""

from __future__ import annotations

from typing import Any

from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.transport import Transport
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.sync.agreement import compare


def test_what_the_ehr_holds_is_here_after_a_pull(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.plan(goal=[{"reference": "Goal/g1"}]))
    report = ours.sync()
    assert report.agreed, report
    assert report.pulled == 3
    held = ours.get("CarePlan", "cp1")
    assert held is not None
    assert held["goal"] == [{"reference": "Goal/g1"}]


def test_a_change_here_reaches_the_ehr_and_comes_back_as_an_echo(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    ours.edit("Goal", "g1", description={"text": "Walk to the corner"})
    report = ours.sync()
    assert report.agreed, report
    assert clinic.get("Goal/g1")["description"]["text"] == "Walk to the corner"
    goals = next(item for item in report.types if item.type == "Goal")
    assert (goals.updated, goals.changed) == (1, 0)
    assert goals.echo >= 1
    assert [(r.state, r.route) for r in ours.receipts("Goal", "g1")] == [("sent", "update")]


def test_a_resource_born_here_gets_the_ehrs_id_there_and_keeps_ours_here(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    ours.save(make.goal("ours-g"))
    ours.save(make.plan("ours-cp", goal=[{"reference": "Goal/ours-g"}]))
    report = ours.sync()
    assert report.agreed, report
    (made,), (planned,) = clinic.all("Goal"), clinic.all("CarePlan")
    assert made["identifier"] == [{"system": "http://fhirplan.dev/fhir/sid/goal", "value": "ours-g"}]
    assert planned["goal"] == [{"reference": f"Goal/{made['id']}"}]
    assert made["id"] != "ours-g"
    held = ours.get("CarePlan", "ours-cp")
    assert held is not None
    assert held["goal"] == [{"reference": "Goal/ours-g"}]


def test_a_circle_of_references_is_sent_and_ends_literal(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    ours.save(make.plan("cp", activity=[{"reference": {"reference": "Task/tk"}}]))
    ours.save(make.task("tk", basedOn=[{"reference": "CarePlan/cp"}]))
    report = ours.sync()
    assert report.agreed, report
    (planned,), (tasked,) = clinic.all("CarePlan"), clinic.all("Task")
    assert planned["activity"] == [{"reference": {"reference": f"Task/{tasked['id']}"}}]
    assert tasked["basedOn"] == [{"reference": f"CarePlan/{planned['id']}"}]
    assert len(ours.receipts("CarePlan", "cp")) == 1 or ours.sync().pushed == 0


def test_a_deletion_here_is_a_deletion_there(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    ours.delete("Goal", "g1")
    assert ours.sync().agreed
    assert clinic.status("Goal/g1") == 410
    assert ours.get("Goal", "g1") is None


def test_a_deletion_there_is_a_deletion_here(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.delete("Goal/g1")
    report = ours.sync()
    assert report.agreed, report
    assert ours.get("Goal", "g1") is None


def test_comparing_over_http_tells_each_difference_and_nothing_else(clinic: Any, ours: Any, make: Any) -> None:
    """Our own API is played by a second EHR that holds what our store holds, apart from two differences."""
    clinic.put(make.patient())
    clinic.put(make.goal("g1"))
    clinic.put(make.goal("g2"))
    ours.save(make.goal("mine", subject={"reference": "Patient/p1"}))
    ours.sync()
    store = Store()
    api = Server("127.0.0.1", 0, create_app(store))
    api.start()
    us = type(clinic)(store, api)
    us.put(make.patient())
    us.put(make.goal("mine"))
    us.put(make.goal("g1", "Other words"))
    with EhrClient(Transport(us.base)) as door:
        told = compare(ours.sides, door)
    api.stop()
    store.close()
    assert told.compared == 4
    assert [(item.id, item.what) for item in told.differences] == [
        ("g1", "These differ: Goal.description."),
        ("g2", "It is missing on our side."),
    ]


def test_several_versions_that_wait_are_sent_as_one(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    ours.save(make.goal("mine"))
    ours.edit("Goal", "mine", description={"text": "second"})
    ours.edit("Goal", "mine", description={"text": "third"})
    before = len(clinic.writes())
    assert ours.sync().agreed
    assert [w[0] for w in clinic.writes()[before:]] == ["POST"]
    assert clinic.all("Goal")[0]["description"]["text"] == "third"
    assert [(r.version, r.state) for r in ours.receipts("Goal", "mine")] == [(1, "sent"), (2, "sent"), (3, "sent")]


def test_what_is_created_and_deleted_before_it_was_sent_never_leaves(clinic: Any, ours: Any, make: Any) -> None:
    ours.save(make.patient("mine"))
    ours.delete("Patient", "mine")
    before = len(clinic.writes())
    assert ours.sync().agreed
    assert clinic.writes()[before:] == []


def test_a_dry_run_changes_nothing_on_either_side(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.save(make.goal("mine"))
    before = len(clinic.writes())
    report = ours.sync(dry_run=True)
    assert (report.pulled, report.pushed) == (1, 1)
    assert ours.get("Patient", "p1") is None
    assert clinic.writes()[before:] == []
    assert len(ours.waiting()) == 1
