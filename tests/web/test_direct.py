"""Reads, searches and writes are answered before the framework is asked, and all else as the framework answers it."""

import pytest
from flask import request

from fhirplan.errors import NotPermitted

NAMES = ("ETag", "Last-Modified", "Content-Type", "Cache-Control", "X-Content-Type-Options", "X-Request-Id")


@pytest.fixture
def reached(api, monkeypatch):
    """The addresses that reach the framework."""
    seen = []
    inner = api.app.full_dispatch_request
    monkeypatch.setattr(api.app, "full_dispatch_request", lambda *given: (seen.append(request.path), inner(*given))[1])
    return seen


def test_a_read_and_a_search_do_not_reach_the_framework(api, patient, reached):
    api.put(patient)
    reached.clear()
    for path in ("Patient/p1", "Patient/p1/_history/1", "Patient?_id=p1", "Patient/p1/_history", "Patient/p1/*"):
        assert api.get(path).status_code == 200
        assert api.send("HEAD", path).get_data() == b""
    assert reached == []


def test_writes_do_not_reach_the_framework(api, patient, reached):
    assert api.post(patient).status_code == 201
    assert api.put(patient).status_code == 201
    assert api.bundle("transaction").status_code == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.send("POST", "Patient/_search", "_id=p1", form).status_code == 200
    assert api.send("DELETE", "Patient/p1").status_code in (200, 204)
    assert reached == []


def test_a_body_over_the_limit_is_refused_both_ways(api, problem):
    """It is told by its length alone, before it is read."""
    headers = {"Content-Type": "application/fhir+json"}
    body = b" " * (api.services.settings.max_body_bytes + 1)
    answers = [
        api.send("POST", "Patient", body, {**headers, **more}) for more in ({}, {"Origin": "https://app.example.org"})
    ]
    for answer in answers:
        problem(answer, 413, "too-costly")
    assert answers[0].get_json()["issue"] == answers[1].get_json()["issue"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "metadata", {}),
        ("GET", "", {}),
        ("GET", "Patient/p1/$everything", {}),
        ("GET", "Patient/p1", {"Origin": "https://app.example.org"}),
        ("GET", "Patient/\N{LATIN SMALL LETTER E WITH ACUTE}", {}),
        ("OPTIONS", "Patient/p1", {}),
        ("DELETE", "", {}),
        ("POST", "Patient/$validate", {}),
        ("DELETE", "Patient/p9", {"Origin": "https://app.example.org"}),
    ],
)
def test_what_is_neither_goes_on_to_it(api, patient, reached, method, path, headers):
    api.put(patient)
    reached.clear()
    api.send(method, path, headers=headers)
    assert len(reached) == 1


@pytest.mark.parametrize("path", ["Patient/p1", "Patient?_id=p1", "Patient/none", "Patient?foo=1", "Banana/x"])
def test_both_ways_give_the_same_answer(api, patient, path):
    """A request with an Origin that nobody registered takes the other way."""
    api.put(patient)
    asked = {"X-Request-Id": "one"}
    direct, other = api.get(path, **asked), api.get(path, **asked, Origin="https://app.example.org")
    assert direct.status_code == other.status_code
    assert direct.get_data() == other.get_data()
    assert [direct.headers.get(name) for name in NAMES] == [other.headers.get(name) for name in NAMES]
    assert set(other.headers.keys()) - set(direct.headers.keys()) <= {"Vary"}


def test_what_breaks_is_answered_by_the_last_net(api, patient, problem, monkeypatch):
    api.put(patient)

    def broken(*_):
        raise RuntimeError("Patient/p1 of Ann Walker")

    monkeypatch.setattr("fhirplan.web.fhir_api.perform", broken)
    answer = api.get("Patient/p1")
    problem(answer, 500, "exception")
    assert b"Walker" not in answer.get_data()


def test_a_caller_from_elsewhere_is_refused_on_an_open_server(api, patient):
    api.put(patient)
    answer = api.send("GET", "Patient/p1", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 403
    assert NotPermitted.__name__ not in answer.get_data(as_text=True)
