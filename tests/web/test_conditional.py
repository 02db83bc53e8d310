"""Conditional update, delete and read, alone and in Bundles."""

import pytest
from werkzeug.http import http_date

MRN = "Patient?identifier=urn:mrn|1"


@pytest.fixture
def nameless(patient):
    return {name: value for name, value in patient.items() if name != "id"}


def test_a_conditional_update_creates_and_then_updates(api, nameless):
    made = api.send("PUT", MRN, nameless)
    assert made.status_code == 201
    id_ = made.get_json(force=True)["id"]
    again = api.send("PUT", MRN, {**nameless, "active": True})
    assert (again.status_code, again.get_json(force=True)["id"], again.headers["ETag"]) == (200, id_, 'W/"2"')


def test_a_conditional_update_creates_under_the_callers_id(api, patient, problem):
    assert api.send("PUT", MRN, patient).headers["Location"].endswith("/Patient/p1/_history/1")
    problem(api.send("PUT", MRN, {**patient, "id": "p2"}), 400, "invalid")
    assert api.get("Patient/p2").status_code == 404


def test_a_conditional_update_overwrites_nothing_that_it_does_not_match(api, patient, problem):
    api.put(patient)
    other = {**patient, "identifier": [{"system": "urn:mrn", "value": "2"}]}
    problem(api.send("PUT", "Patient?identifier=urn:mrn|2", other), 412, "conflict")
    assert api.get("Patient/p1").headers["ETag"] == 'W/"1"'


def test_a_condition_with_more_than_one_match_changes_nothing(api, nameless, problem):
    api.post(nameless)
    api.post(nameless)
    problem(api.send("PUT", MRN, nameless), 412, "multiple-matches")
    problem(api.delete(MRN), 412, "multiple-matches")
    assert len(api.get(MRN).get_json(force=True)["entry"]) == 2


@pytest.mark.parametrize("query", ["", "?_count=1", "?_sort=_id"])
def test_what_is_no_condition_is_refused(api, patient, problem, query):
    api.put(patient)
    problem(api.send("PUT", f"Patient{query}", patient), 400, "invalid")
    problem(api.delete(f"Patient{query}"), 400, "invalid")
    assert api.get("Patient/p1").headers["ETag"] == 'W/"1"'


def test_if_match_holds_for_what_a_condition_finds(api, patient, problem):
    problem(api.send("PUT", MRN, patient, {"If-Match": 'W/"1"'}), 412, "conflict")
    api.put(patient)
    problem(api.send("PUT", MRN, {**patient, "active": True}, {"If-Match": 'W/"7"'}), 412, "conflict")
    assert api.send("PUT", MRN, {**patient, "active": True}, {"If-Match": 'W/"1"'}).status_code == 200
    problem(api.delete(MRN, If_Match='W/"1"'), 412, "conflict")
    assert api.delete(MRN, If_Match='W/"2"').status_code == 204


def test_a_conditional_delete_deletes_one_or_nothing(api, patient):
    api.put(patient)
    assert api.delete(MRN).status_code == 204
    assert api.get("Patient/p1").status_code == 410
    assert api.delete(MRN).status_code == 204


def test_a_read_says_not_modified_since(api, patient):
    api.put(patient)
    modified = api.get("Patient/p1").headers["Last-Modified"]
    assert api.get("Patient/p1", If_Modified_Since=modified).status_code == 304
    assert api.get("Patient/p1", If_Modified_Since=http_date(0)).status_code == 200
    assert api.get("Patient/p1", If_Modified_Since="yesterday").status_code == 200
    assert api.get("Patient/p1", If_Modified_Since=modified, If_None_Match='W/"9"').status_code == 200


def _entry(method, url, resource=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    return {**made, "resource": resource} if resource else made


def _statuses(response):
    bundle = response.get_json(force=True)
    assert response.status_code == 200, bundle
    return [entry["response"]["status"][:3] for entry in bundle["entry"]]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_conditions_hold_in_bundles(api, nameless, kind):
    goal = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"}}
    api.put({**goal, "id": "g1", "subject": {"reference": "Patient/p1"}})
    entries = _entry("PUT", MRN, nameless), _entry("DELETE", "Goal?_id=g1"), _entry("DELETE", "Goal?_id=g9")
    assert _statuses(api.bundle(kind, *entries)) == ["201", "204", "204"]
    assert _statuses(api.bundle(kind, _entry("PUT", MRN, {**nameless, "active": True}))) == ["200"]
    assert api.get("Goal/g1").status_code == 410


def test_a_transaction_links_to_what_a_conditional_update_finds(api, patient, nameless, goal):
    api.put(patient)
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    put = {**_entry("PUT", MRN, nameless), "fullUrl": urn}
    assert _statuses(api.bundle("transaction", put, _entry("PUT", "Goal/g1", {**goal, "subject": {"reference": urn}})))
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": "Patient/p1"}


def test_two_entries_that_turn_out_to_be_about_one_resource_are_refused(api, patient, problem):
    api.put(patient)
    entries = _entry("PUT", MRN, {**patient, "active": True}), _entry("DELETE", "Patient/p1")
    # The delete comes first, and what it deletes matches no more, so the update would make the resource anew.
    assert api.bundle("transaction", *entries).status_code in (400, 412)
    entries = _entry("PUT", MRN, {**patient, "active": True}), _entry("PUT", "Patient/p1", patient)
    issue = problem(api.bundle("transaction", *entries), 400, "invalid")
    assert issue["expression"] == ["Bundle.entry[1].request.url"]
    assert api.get("Patient/p1").headers["ETag"] == 'W/"1"'


def test_an_entry_may_read_conditionally(api, patient):
    api.put(patient)
    entries = (
        _entry("GET", "Patient/p1", ifNoneMatch='W/"1"'),
        _entry("GET", "Patient/p1", ifModifiedSince="2000-01-01T00:00:00Z"),
        _entry("GET", "Patient/p1", ifModifiedSince="lately"),
    )
    assert _statuses(api.bundle("batch", *entries)) == ["304", "200", "400"]
