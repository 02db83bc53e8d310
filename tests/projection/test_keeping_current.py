"""What brings a state up to date: a write, the clock, a deletion; and what must not: the projection itself."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import fhirplan.projection.project as module
from fhirplan.projection.project import project, waiting
from fhirplan.store.coordination import caseload
from fhirplan.store.coordination.caseload_rows import EVERYTHING, Wanted

NOW = "2026-03-09T08:00:00-05:00"
PLAN = "CarePlan/cp-hf-1"


@pytest.fixture
def hf(clinic):
    made = clinic(NOW)
    made.load("b01-hf-home-health.json")
    made.project()
    return made


def flags(clinic):
    return {item["code"]["coding"][0]["code"] for item in clinic.found("Flag?status=active&author=Device/fhirplan")}


def states(clinic):
    [made] = clinic.found(f"List?item={PLAN}")
    return {entry["item"]["reference"]: entry["flag"]["coding"][0]["code"] for entry in made["entry"]}


def test_a_change_of_a_task_is_in_the_list_and_clears_its_flag(hf):
    assert "urgent-task-overdue" in flags(hf)
    assert states(hf)["Task/task-hh"] == "blocked"
    assert not waiting(hf.to)
    later = {"period": {"end": "2026-03-20T12:00:00-05:00"}}
    hf.edit("Task/task-hh", restriction=later, businessStatus=None)
    assert waiting(hf.to)
    assert hf.project() == 1
    assert states(hf)["Task/task-hh"] == "open"
    assert "urgent-task-overdue" not in flags(hf)
    [over] = [
        item for item in hf.found("Flag?status=inactive") if item["code"]["coding"][0]["code"] == "urgent-task-overdue"
    ]
    assert over["period"]["end"] == NOW


def test_what_changes_nothing_of_the_state_makes_no_new_version(hf):
    [before] = hf.found(f"List?item={PLAN}")
    hf.edit("Task/task-call48", note=[{"text": "She prefers the afternoon."}])
    assert hf.project() == 1
    [after] = hf.found(f"List?item={PLAN}")
    assert after["meta"] == before["meta"]


def test_the_clock_alone_makes_a_task_overdue(hf):
    assert states(hf)["Task/task-call48"] == "due-soon"
    hf.at("2026-03-10T23:59:59-05:00")
    hf.project()
    assert states(hf)["Task/task-call48"] == "due-soon"
    hf.at("2026-03-11T00:00:00-05:00")
    assert waiting(hf.to)
    hf.project()
    assert states(hf)["Task/task-call48"] == "overdue"
    assert "overdue-post-discharge-contact" in flags(hf)
    assert not waiting(hf.to)


def test_the_projection_does_not_set_itself_going(hf):
    for _ in range(3):
        assert hf.project() == 0
    [made] = hf.found(f"List?item={PLAN}")
    assert made["meta"]["versionId"] == "1"
    assert {item["meta"]["versionId"] for item in hf.found("Flag?author=Device/fhirplan")} == {"1"}


def test_what_somebody_else_did_to_our_list_is_put_right(clinic):
    hf = clinic(NOW, validation="base")
    hf.load("b01-hf-home-health.json")
    hf.project()
    [made] = hf.found(f"List?item={PLAN}")
    hf.put({**made, "entry": made["entry"][:1]})
    hf.project()
    [again] = hf.found(f"List?item={PLAN}")
    assert again["entry"] == made["entry"]


def test_a_flag_set_by_hand_stands_for_the_alert_and_is_left_alone(hf):
    [mine] = [
        item for item in hf.found("Flag?status=active") if item["code"]["coding"][0]["code"] == "urgent-task-overdue"
    ]
    by_hand = {key: value for key, value in mine.items() if key not in ("identifier", "meta")}
    by_hand |= {"id": "by-hand", "author": {"reference": "PractitionerRole/role-ncm"}}
    hf.put({**mine, "status": "entered-in-error"})
    hf.put(by_hand, status=201)
    hf.project()
    assert "urgent-task-overdue" not in flags(hf)
    assert hf.get("Flag/by-hand")["status"] == "active"


def test_the_list_of_a_plan_that_ended_is_retired_and_the_plan_leaves_the_caseload(hf):
    hf.edit(PLAN, status="revoked", period={"start": "2026-03-02", "end": "2026-03-09"})
    hf.project()
    [made] = hf.found(f"List?item={PLAN}")
    assert made["status"] == "retired"
    assert flags(hf) == set()
    with hf.services.database.read() as tx:
        assert caseload.page(tx, "default", EVERYTHING, hf.now, count=9) == []


def test_the_list_of_a_plan_that_was_deleted_is_retired(hf):
    assert hf.client.delete(f"/fhir/{PLAN}").status_code == 204
    hf.project()
    [made] = hf.found("List?status=retired")
    assert made["id"] == "coord-cp-hf-1"
    assert flags(hf) == set()
    assert hf.project() == 0


def test_nothing_is_lost_when_the_projection_dies_before_it_commits(hf, monkeypatch):
    hf.edit("Task/task-call48", description="Call again")
    monkeypatch.setattr("fhirplan.store.coordination.projection.put", _dies)
    with pytest.raises(KeyboardInterrupt):
        hf.project()
    monkeypatch.undo()
    assert waiting(hf.to)
    assert hf.project() == 1
    assert not waiting(hf.to)


def _dies(*_args):
    raise KeyboardInterrupt


def test_two_workers_raise_each_flag_once(clinic):
    made = clinic(NOW)
    made.load("b01-hf-home-health.json")

    def work(_worker):
        for _ in range(5):
            project(made.to, "pat-hf")

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    names = [item["identifier"][0]["value"] for item in made.found("Flag?author=Device/fhirplan")]
    assert len(names) == len(set(names)) > 0
    [only] = made.found(f"List?item={PLAN}")
    assert only["meta"]["versionId"] == "1"


def test_a_record_that_is_not_shaped_as_fhir_does_not_stop_the_others(clinic, monkeypatch):
    made = clinic(NOW)
    made.load("b01-hf-home-health.json")
    made.load("b09-dialysis.json")
    real = module.derive

    def derive(record, patient, *more):
        if patient == "pat-hf":
            raise TypeError(patient)
        return real(record, patient, *more)

    monkeypatch.setattr(module, "derive", derive)
    assert made.project() == 2
    assert not waiting(made.to)
    assert len(made.found("List")) == 1


def test_a_caseload_finds_the_patient_by_name(hf):
    with hf.services.database.read() as tx:
        [row] = caseload.page(tx, "default", EVERYTHING, hf.now, count=9)
        family = row.name.split(",")[0]
        assert caseload.page(tx, "default", Wanted(name=family.lower()), hf.now, count=9) == [row]
        listed = caseload.tasks(tx, "default", Wanted(), hf.now, state="overdue", count=9)
    assert [item.task for item in listed] == ["task-hh"]


def test_what_is_derived_from_a_labelled_task_carries_its_label(hf):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
    [flag] = [item for item in hf.found("Flag?status=active") if "Task/task-hh" in str(item.get("extension"))]
    assert "security" not in flag["meta"]
    hf.edit("Task/task-hh", meta={"security": [label]})
    hf.project()
    [made] = hf.found(f"List?item={PLAN}")
    assert made["meta"]["security"] == [label]
    [flag] = [item for item in hf.found("Flag?status=active") if item["id"] == flag["id"]]
    assert flag["meta"]["security"] == [label]
    others = [item for item in hf.found("Flag?status=active") if item["id"] != flag["id"]]
    assert all("security" not in item["meta"] for item in others)
    assert not hf.project()
