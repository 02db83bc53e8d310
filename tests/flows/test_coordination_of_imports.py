"""What the EHR says is judged and never refused; what follows from it here is written, told and sent."""

import time
from zoneinfo import ZoneInfo

import pytest

from fhirplan.projection.project import Projecting, project_due
from fhirplan.store import findings, versions
from fhirplan.store.coordination.ruled import Rules

CODES = "http://fhirplan.dev/fhir/CodeSystem/"
CATEGORY = {"coding": [{"system": CODES + "cm-careplan-category", "code": "case-management"}]}
LEAD = {"resourceType": "PractitionerRole", "id": "lead", "active": True}


def stay(id_, start, end=None):
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished" if end else "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": start, **({"end": end} if end else {})},
    }


@pytest.fixture
def rules():
    numbers = iter(range(10_000))
    return Rules(ZoneInfo("America/Chicago"), lambda: f"made-{next(numbers)}", {})


@pytest.fixture
def told(clinic, ours, sides_of, rules, make):
    """Our side with the coordination rules, in agreement with an EHR that has a plan with a goal and a task."""
    plan = make.plan(
        category=[CATEGORY], author={"reference": "PractitionerRole/lead"}, goal=[{"reference": "Goal/g1"}]
    )
    task = make.task(basedOn=[{"reference": "CarePlan/cp1"}])
    for resource in (make.patient(), LEAD, make.goal(), plan, task):
        clinic.put(resource)
    made = type(ours)(sides_of(clinic.base, rules=rules))
    assert made.sync().agreed
    return made


def all_of(ours, type_):
    found = []
    with ours.database.read() as tx:
        for step in versions.history_types(tx, "default", [type_], versions.Window(500)):
            current = versions.current(tx, "default", type_, step.version.id)
            if not current.deleted and current.id not in {item["id"] for item in found}:
                found.append(current.resource())
    return found


def notices(ours):
    return [
        item for item in all_of(ours, "Task")
        if any(one["code"] == "acknowledge-change" for one in item.get("code", {}).get("coding", []))
    ]  # fmt: skip


def test_an_illegal_move_of_the_ehr_is_taken_and_its_finding_kept(told, clinic, make):
    over = make.task(basedOn=[{"reference": "CarePlan/cp1"}], status="completed")
    clinic.put(over)
    told.sync()
    clinic.put({**over, "status": "draft"})
    told.sync()
    assert told.get("Task", "t1")["status"] == "draft"
    with told.database.read() as tx:
        stored = versions.current(tx, "default", "Task", "t1")
        assert "cm-sm-import" in {item.rule for item in findings.of(tx, stored.rid, stored.version)}


def test_a_change_of_the_ehr_is_told_once_and_sent(told, clinic, make):
    assert notices(told) == []
    clinic.put(make.goal(text="Walk to the corner"))
    assert told.sync().agreed
    [notice] = notices(told)
    assert notice["focus"]["reference"].startswith("Goal/g1/_history/")
    for _ in range(3):
        assert told.sync().agreed
    assert notices(told) == [notice]
    assert len(clinic.all("Task")) == 2


def test_our_own_change_is_told_to_nobody(told):
    told.edit("Goal", "g1", note=[{"text": "She likes it."}])
    assert told.sync().agreed
    assert notices(told) == []


def test_a_plan_that_the_ehr_revokes_cancels_its_tasks_there_too(told, clinic, make):
    plan = clinic.get("CarePlan/cp1")
    clinic.put({**plan, "status": "revoked"})
    assert told.sync().agreed
    assert told.get("Task", "t1")["status"] == "cancelled"
    assert clinic.get("Task/t1")["status"] == "cancelled"


def test_a_readmission_in_the_ehr_makes_its_review_here_and_there(told, clinic):
    now = time.time()
    day = lambda days: time.strftime("%Y-%m-%dT10:00:00Z", time.gmtime(now + days * 86_400))  # noqa: E731
    clinic.put(stay("e1", day(-20), day(-10)))
    told.sync()
    clinic.put(stay("e2", day(-1)))
    assert told.sync().agreed
    reviews = [item for item in all_of(told, "Task") if item.get("priority") == "urgent"]
    assert [item["focus"]["reference"] for item in reviews] == ["Encounter/e2"]
    assert [item for item in clinic.all("Task") if item.get("priority") == "urgent"]


def test_list_and_flags_reach_the_ehr_and_come_back_as_an_echo(told, clinic, rules):
    to = Projecting(told.database, "default", rules, told.sides.clock, push=True, base=told.sides.border.our_base)
    assert project_due(to) == 1
    assert told.sync().agreed
    [made] = clinic.all("List")
    assert made["title"].startswith("Coordination state")
    # Neither our id that the EHR's copy carries, nor its words for our Device, are a change to anybody.
    for _ in range(3):
        project_due(to)
        assert told.sync().agreed
    assert project_due(to) == 0
    assert len(clinic.all("List")) == 1
    assert [item["meta"]["versionId"] for item in all_of(told, "List")] == ["1"]
