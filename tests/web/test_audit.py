"""Each access and each change is kept, and is read as an AuditEvent."""

import base64

import pytest

from fhirplan.validation import Validator

BASE = "http://127.0.0.1:8080/fhir"


def _events(api, query):
    api.services.accesses.keep()
    bundle = api.get(f"AuditEvent?{query}").get_json(force=True)
    assert bundle["resourceType"] == "Bundle", bundle
    return [entry["resource"] for entry in bundle.get("entry", [])]


def _told(event):
    return event["action"], event["subtype"][0]["code"], event["outcome"]


@pytest.fixture
def story(api, goal, patient):
    api.put(patient)
    api.put(goal)
    api.get("Goal/g1")
    api.get("Goal?patient=Patient/p1")
    api.get("Patient/p1/$everything")
    api.send(
        "PATCH",
        "Goal/g1",
        [{"op": "test", "path": "/id", "value": "x"}],
        {"Content-Type": "application/json-patch+json"},
    )
    api.delete("Goal/g1")
    api.get("Goal/g1")
    return api


def test_a_patients_accesses_and_changes_are_found(story):
    told = [_told(event) for event in _events(story, "patient=Patient/p1")]
    assert set(told) >= {
        ("C", "create", "0"),
        ("E", "search-type", "0"),
        ("E", "operation", "0"),
        ("D", "delete", "0"),
    }
    assert _events(story, "patient=p2") == []


def test_a_read_belongs_to_the_patient_of_what_was_read(api, goal, patient):
    api.put(patient)
    api.put(goal)
    api.get("Goal/g1")
    [read] = [event for event in _events(api, "patient=p1") if event["action"] == "R"]
    assert read["entity"][1]["what"]["reference"] == "Goal/g1/_history/1"
    assert read["agent"][0]["network"] == {"address": "127.0.0.1", "type": "2"}
    assert read["agent"][0]["who"]["display"] == "anybody"


def test_what_was_refused_is_kept_with_its_outcome(story):
    told = [_told(event) for event in _events(story, "date=ge2000-01-01")]
    assert ("U", "patch", "4") in told
    assert ("R", "read", "4") in told


def test_what_was_searched_for_is_kept(story):
    [search] = [event for event in _events(story, "patient=p1") if event["subtype"][0]["code"] == "search-type"]
    [query] = [base64.b64decode(one["query"]) for one in search["entity"] if "query" in one]
    assert query == b"Goal?patient=Patient%2Fp1"


def test_reads_in_bundles_are_kept_too(api, patient):
    api.put(patient)
    entry = {"request": {"method": "GET", "url": "Patient/p1"}}
    for kind in ("batch", "transaction"):
        api.bundle(kind, entry)
    assert [event["action"] for event in _events(api, "patient=p1")] == ["R", "R", "C"]


def test_events_are_valid_and_readable_by_id(story):
    validator = Validator.load()
    for event in _events(story, "date=ge2000"):
        assert [one for one in validator.validate(event, policy="base") if one.is_error] == [], event
        assert story.get(f"AuditEvent/{event['id']}").get_json(force=True) == event


def test_events_are_paged_newest_first(story):
    story.services.accesses.keep()
    seen, path = [], "AuditEvent?_count=2&date=le2999"
    while path and len(seen) < 50:
        page = story.get(path).get_json(force=True)
        seen += [int(entry["resource"]["id"]) for entry in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next", "").removeprefix(f"{BASE}/")
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == 8


@pytest.mark.parametrize(
    ("query", "some"),
    [("date=ge2999", False), ("date=lt2000", False), ("date=gt2000&date=lt2999", True), ("date=sa2999", False)],
)
def test_dates_choose(story, query, some):
    assert bool(_events(story, query)) is some


@pytest.mark.parametrize(
    "query", ["patient=a b", "date=then", "_count=x", "_page=x", "colour=green", "patient=a&patient=b"]
)
def test_a_search_that_makes_no_sense_is_refused(api, problem, query):
    problem(api.get(f"AuditEvent?{query}"), 400, "invalid")


def test_nobody_writes_events(api, problem):
    problem(api.send("POST", "AuditEvent", {"resourceType": "AuditEvent"}), 405, "not-supported")
    problem(api.delete("AuditEvent/1"), 405, "not-supported")
    problem(api.get("AuditEvent/77777"), 404, "not-found")


def test_what_is_public_is_not_kept(api):
    api.get("metadata")
    api.get("OperationDefinition")
    assert _events(api, "date=ge2000") == []
