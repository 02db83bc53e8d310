"""Each error has one status and an OperationOutcome."""

import inspect
import json

import pytest

from fhirplan import errors
from fhirplan.errors import EhrRejected, EhrUnavailable, FhirplanError, Issue, MalformedRequest, TooCostly
from fhirplan.interactions import outcomes
from fhirplan.interactions.outcomes import MethodNotAllowed, StaleVersion, failure, refusal, status


def test_every_error_of_the_tree_has_a_status_of_its_own_kind():
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.Refused | errors.Denied | errors.EhrFailure):
            placed = [number for one, number in outcomes.STATUS if issubclass(kind, one)]
            assert placed, name


def test_a_narrower_error_stands_before_a_wider_one():
    kinds = [kind for kind, _ in outcomes.STATUS]
    for index, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:index]), kind


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MalformedRequest("x"), 400),
        (errors.InvalidResource("x"), 422),
        (errors.NotFound("x"), 404),
        (errors.Gone("x"), 410),
        (errors.VersionMismatch("x"), 412),
        (errors.MultipleMatches("x"), 412),
        (TooCostly("x"), 413),
        (errors.NotAuthenticated("x"), 401),
        (errors.NotPermitted("x"), 403),
        (EhrUnavailable("x"), 503),
        (EhrRejected("x", status=422), 502),
        (FhirplanError("x"), 500),
    ],
)
def test_the_status_of_an_error(error, expected):
    assert status(error) == expected
    reply = refusal(error)
    assert reply.status == expected
    assert json.loads(reply.body)["issue"][0]["details"]["text"] == "x"


def test_a_stale_version_names_the_current_one():
    reply = refusal(StaleVersion(Issue("error", "conflict", "x", "Goal"), "Goal", "g1", 3))
    assert (reply.status, reply.etag) == (412, 'W/"3"')


def test_a_refusal_keeps_what_its_headers_need():
    assert refusal(MethodNotAllowed("x", ("GET",))).allow == ("GET",)
    assert refusal(EhrUnavailable("x", retry_after=1.2)).retry_after == 2


def test_a_failure_names_the_request_and_nothing_else():
    assert "call-7" in json.loads(failure("call-7").body)["issue"][0]["details"]["text"]
