"""coordination/makers: who may make which move of a Task, every move against every person of the plan."""

import pytest

from fhirplan.coordination.makers import may_make
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.world import Change, MemoryWorld

ROLE = "http://fhirplan.dev/fhir/CodeSystem/cm-care-team-role"


def role(id_, person, organization=""):
    made = {"resourceType": "PractitionerRole", "id": id_, "practitioner": {"reference": f"Practitioner/{person}"}}
    return {**made, "organization": {"reference": organization}} if organization else made


def member(ref, code):
    return {"member": {"reference": ref}, "role": [{"coding": [{"system": ROLE, "code": code}]}]}


TASK = {
    "resourceType": "Task",
    "id": "t",
    "status": "accepted",
    "basedOn": [{"reference": "ServiceRequest/sr"}],
    "owner": {"reference": "PractitionerRole/owner", "display": "Omar"},
    "requester": {"reference": "Practitioner/asker"},
}
RECORD = MemoryWorld(
    [
        role("owner", "omar", "Organization/home"),
        role("lead", "lena"),
        role("nurse-at-home", "nia", "Organization/home"),
        {"resourceType": "ServiceRequest", "id": "sr", "basedOn": [{"reference": "CarePlan/cp"}]},
        {"resourceType": "CarePlan", "id": "cp", "careTeam": [{"reference": "CareTeam/ct"}]},
        {
            "resourceType": "CareTeam",
            "id": "ct",
            "status": "active",
            "participant": [
                member("PractitionerRole/lead", "case-manager"),
                member("Practitioner/pharma", "pharmacist"),
                member("Patient/p", "patient"),
            ],
        },
    ]
)
REQUESTERS = {"draft", "requested", "ready", "cancelled", "entered-in-error"}


def moves():
    return [(come, to) for come, steps in MACHINES["Task"].table.items() for to in steps]


@pytest.mark.parametrize(("come", "to"), moves())
def test_each_move_is_for_those_whom_the_table_names(come, to):
    owner, asker = to not in ("draft", "requested"), to in REQUESTERS
    may = {
        "Practitioner/omar": owner,
        "PractitionerRole/owner": owner,
        "Practitioner/asker": asker,
        "Practitioner/lena": True,
        "Practitioner/pharma": False,
        "Patient/p": False,
        "Practitioner/stranger": False,
    }
    for person, allowed in may.items():
        found = may_make(Change({**TASK, "status": come}, {**TASK, "status": to}), person, RECORD)
        assert (found == ()) is allowed, person
        for issue in found:
            assert (issue.rule, issue.code, issue.expression) == ("cm-sm-task-who", "forbidden", "Task.status")
            assert "Omar" in issue.text


def test_who_takes_a_task_over_moves_it_and_its_new_owner_is_on_record():
    taken = {**TASK, "status": "in-progress", "owner": {"reference": "Practitioner/pharma"}}
    assert may_make(Change(TASK, taken), "Practitioner/pharma", RECORD) == ()
    assert may_make(Change(TASK, taken), "Practitioner/stranger", RECORD)


def test_an_organizations_task_is_moved_by_its_people_and_a_teams_by_its_members():
    done = {"status": "completed"}
    home = {**TASK, "owner": {"reference": "Organization/home"}}
    assert may_make(Change(home, {**home, **done}), "PractitionerRole/nurse-at-home", RECORD) == ()
    assert may_make(Change(home, {**home, **done}), "PractitionerRole/lead-elsewhere", RECORD)
    team = {**TASK, "owner": {"reference": "CareTeam/ct"}}
    assert may_make(Change(team, {**team, **done}), "Practitioner/pharma", RECORD) == ()


def test_what_is_no_move_is_judged_by_nobody():
    edited = {**TASK, "priority": "urgent"}
    assert may_make(Change(TASK, edited), "Practitioner/stranger", RECORD) == ()
    assert may_make(Change(None, TASK), "Practitioner/stranger", RECORD) == ()
    assert may_make(Change(TASK, None), "Practitioner/stranger", RECORD) == ()


def test_plans_that_refer_to_each_other_in_a_circle_end_the_search():
    one = {"resourceType": "Task", "id": "a", "partOf": [{"reference": "Task/b"}], "status": "ready"}
    other = {"resourceType": "Task", "id": "b", "partOf": [{"reference": "Task/a"}], "status": "ready"}
    world = MemoryWorld([one, other])
    assert may_make(Change(one, {**one, "status": "completed"}), "Practitioner/x", world)


def test_of_a_team_that_owns_a_task_its_members_move_it_and_nobody_else():
    owned = {**TASK, "owner": {"reference": "CareTeam/ct"}, "basedOn": []}
    done = Change(owned, {**owned, "status": "in-progress"})
    assert may_make(done, "Practitioner/pharma", RECORD) == ()
    assert may_make(done, "Practitioner/stranger", RECORD) != ()


def test_another_change_than_of_a_tasks_state_is_no_move():
    goal = {"resourceType": "Goal", "id": "g", "lifecycleStatus": "active"}
    assert may_make(Change(goal, {**goal, "lifecycleStatus": "completed"}), "Practitioner/stranger", RECORD) == ()
