"""A person's token moves the tasks that are theirs to move, by every route; a program's token is not held to that."""

import json

import pytest

from tests.guarded.conftest import task

PEOPLE = ["owner", "asker", "other"]
TASK = {
    **task("t1", "p1"),
    "status": "in-progress",
    "owner": {"reference": "Practitioner/owner"},
    "requester": {"reference": "Practitioner/asker"},
    "executionPeriod": {"start": "2026-03-01T08:00:00Z"},
}
DONE = {**TASK, "status": "completed", "executionPeriod": {**TASK["executionPeriod"], "end": "2026-03-01T09:00:00Z"}}


@pytest.fixture
def ward(configured):
    # The rules are asked for, the profiles are not.
    made = configured(validation="declared")
    made.load({"resourceType": "Patient", "id": "p1"})
    made.load(*({"resourceType": "Practitioner", "id": name} for name in PEOPLE), TASK)
    return made


def person(ward, name):
    return ward.caller("user/*.cruds", fhirUser=f"Practitioner/{name}")


def entry(resource):
    return {"resource": resource, "request": {"method": "PUT", "url": f"Task/{resource['id']}"}}


def sent(caller, route):
    if route == "update":
        return caller.put(DONE)
    if route == "patch":
        kind = {"Content-Type": "application/json-patch+json"}
        steps = [
            {"op": "replace", "path": "/status", "value": "completed"},
            {"op": "add", "path": "/executionPeriod/end", "value": "2026-03-01T09:00:00Z"},
        ]
        return caller.send("PATCH", "Task/t1", json.dumps(steps), kind)
    return caller.send("POST", "", {"resourceType": "Bundle", "type": route, "entry": [entry(DONE)]})


@pytest.mark.parametrize("route", ["update", "patch", "transaction", "batch"])
def test_only_its_owner_completes_a_task_and_the_refusal_names_the_rule(ward, route):
    answer = sent(person(ward, "other"), route)
    outcome = answer.get_data(as_text=True)
    assert "cm-sm-task-who" in outcome
    assert "Take the task over first" in outcome
    assert answer.status_code == (200 if route == "batch" else 403)
    assert ward.root.get("Task/t1").get_json(force=True)["status"] == "in-progress"
    assert sent(person(ward, "owner"), route).status_code == 200
    assert ward.root.get("Task/t1").get_json(force=True)["status"] == "completed"


def test_the_requester_cancels_and_does_not_complete(ward):
    asker = person(ward, "asker")
    assert asker.put(DONE).status_code == 403
    cancelled = {**TASK, "status": "cancelled", "statusReason": {"text": "No longer needed"}}
    assert asker.put(cancelled).status_code == 200


def test_a_program_is_not_held_to_it_since_it_writes_on_behalf_of_others(ward):
    assert ward.caller("system/*.cruds", client_id="ehr").put(DONE).status_code == 200
