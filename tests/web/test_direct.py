"""Reads and searches are answered before the framework is asked, and everything else as the framework answers it."""

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


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "metadata", {}),
        ("GET", "", {}),
        ("GET", "Patient/p1/$everything", {}),
        ("GET", "Patient/p1", {"Origin": "https://app.example.org"}),
        ("GET", "Patient/\N{LATIN SMALL LETTER E WITH ACUTE}", {}),
        ("POST", "Patient/_search", {}),
        ("DELETE", "Patient/p9", {}),
    ],
)
def test_what_is_no_plain_read_goes_on_to_it(api, patient, reached, method, path, headers):
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
