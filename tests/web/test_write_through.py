"""A write whose caller waits for the EHR is told what the EHR made of it."""

from dataclasses import replace

import pytest

from fhirplan.web.app import create_app

REFUSED = (
    '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","diagnostics":"No such unit"}]}'
)


@pytest.fixture
def through(configured):
    """A server whose EHR answers each push with the given receipt; notes what was pushed."""

    def make(write_mode="through", **receipt):
        api = configured(ehr_url="http://127.0.0.1:9/fhir", write_mode=write_mode)
        asked = []

        def pushed(*which):
            asked.append(which)
            return receipt

        api.services = replace(api.services, pushed=pushed)
        api.app = create_app(api.services)
        api.client = api.app.test_client()
        return api, asked

    return make


@pytest.mark.parametrize("state", ["sent", "waiting", "parked", "conflict"])
def test_the_receipt_is_told_and_the_write_stands(through, goal, state):
    api, asked = through(state=state)
    response = api.put(goal)
    assert (response.status_code, response.headers["X-Fhirplan-Receipt"]) == (201, state)
    assert asked == [("default", "Goal", "g1")]
    assert api.get("Goal/g1").status_code == 200
    assert api.delete("Goal/g1").headers["X-Fhirplan-Receipt"] == state


def test_what_the_ehr_said_is_passed_on(through, goal):
    api, _ = through(state="parked", outcome=REFUSED)
    outcome = api.put(goal, Prefer="return=OperationOutcome").get_json(force=True)
    assert [issue["severity"] for issue in outcome["issue"][-2:]] == ["warning", "warning"]
    assert outcome["issue"][-1]["details"]["text"] == "No such unit"


def test_what_changed_nothing_is_not_pushed(through, goal):
    api, asked = through(state="sent")
    api.put(goal)
    api.put(goal)
    api.delete("Goal/never")
    assert len(asked) == 1


def test_each_write_of_a_transaction_is_pushed_after_it_is_kept(through, goal, patient):
    api, asked = through(state="sent")
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in (patient, goal)
    ]
    assert api.bundle("transaction", *entries).status_code == 200
    assert sorted(asked) == [("default", "Goal", "g1"), ("default", "Patient", "p1")]


def test_nobody_waits_when_the_worker_pushes(through, goal):
    api, asked = through(write_mode="behind", state="sent")
    assert "X-Fhirplan-Receipt" not in api.put(goal).headers
    assert asked == []
