"""What each kind of failure of an EHR is taken for, and that a write in doubt is called one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from fhirplan.ehr import failures
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.transport import Transport
from fhirplan.errors import EhrRejected, EhrUnavailable, EhrVersionMismatch

BASE = "http://ehr.test/fhir"
GOAL = {"resourceType": "Goal", "id": "g1", "description": {"text": "x"}}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "business-rule", "diagnostics": "A goal needs a start."}],
}
FHIR = "application/fhir+json"


@pytest.fixture
def client() -> Any:
    with EhrClient(Transport(BASE, token="s3cret-token", timeout=2.0)) as made:
        yield made


def read(client: EhrClient) -> Any:
    return client.read("Goal", "g1")


def create(client: EhrClient) -> Any:
    return client.create(GOAL)


def update(client: EhrClient) -> Any:
    return client.update(GOAL, if_match="3")


def delete(client: EhrClient) -> Any:
    return client.delete("Goal", "g1", if_match="3")


METHODS = {"GET": read, "POST": create, "PUT": update, "DELETE": delete}


def answered(method: str, status: int, body: Any = "", kind: str = FHIR, **headers: str) -> None:
    url = f"{BASE}/Goal" + ("" if method == "POST" else "/g1")
    text = body if isinstance(body, str) else json.dumps(body)
    responses.add(method, url, body=text, status=status, content_type=kind, headers=headers)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [401, 408, 425, 429, 500, 502, 503, 504])
@responses.activate
def test_what_may_pass_is_tried_again(method: str, status: int, client: EhrClient) -> None:
    answered(method, status, "busy", "text/plain")
    with pytest.raises(EhrUnavailable) as raised:
        METHODS[method](client)
    assert raised.value.outcome_unknown is (method != "GET" and status not in (401, 425, 429))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [400, 403, 405, 406, 413, 415, 422, 501])
@responses.activate
def test_a_refusal_carries_the_ehrs_own_outcome(method: str, status: int, client: EhrClient) -> None:
    answered(method, status, OUTCOME)
    with pytest.raises(EhrRejected) as raised:
        METHODS[method](client)
    assert raised.value.status == status
    assert raised.value.outcome == OUTCOME
    assert "A goal needs a start." in raised.value.text


@pytest.mark.parametrize(("method", "status"), [("PUT", 409), ("PUT", 412), ("DELETE", 412)])
@responses.activate
def test_a_stale_version_is_planned_again(method: str, status: int, client: EhrClient) -> None:
    answered(method, status, OUTCOME)
    with pytest.raises(EhrVersionMismatch):
        METHODS[method](client)


@pytest.mark.parametrize(("method", "status"), [("DELETE", 409), ("POST", 412), ("POST", 409)])
@responses.activate
def test_a_conflict_that_is_no_stale_version_is_a_refusal(method: str, status: int, client: EhrClient) -> None:
    answered(method, status, OUTCOME)
    with pytest.raises(EhrRejected):
        METHODS[method](client)


@pytest.mark.parametrize("status", [404, 410])
@responses.activate
def test_what_is_not_there_reads_as_none_and_is_as_good_as_deleted(status: int, client: EhrClient) -> None:
    answered("GET", status, OUTCOME)
    answered("DELETE", status)
    assert read(client) is None
    delete(client)


NO_FHIR = {
    "an HTML page": ("<html>Sign in</html>", "text/html"),
    "an HTML page called JSON": ("<html>Sign in</html>", FHIR),
    "nothing": ("", FHIR),
    "half of it": ('{"resourceType": "Goal", "id": "g', FHIR),
    "an array": ("[]", FHIR),
    "another type": ('{"resourceType": "Patient", "id": "g1"}', FHIR),
}


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("what", NO_FHIR)
@responses.activate
def test_a_success_that_is_no_fhir_is_no_success(method: str, what: str, client: EhrClient) -> None:
    body, kind = NO_FHIR[what]
    answered(method, 200, body, kind)
    if method == "PUT" and what == "nothing":
        assert update(client).resource is None
        return
    with pytest.raises(EhrUnavailable) as raised:
        METHODS[method](client)
    assert raised.value.outcome_unknown is (method == "PUT")


@responses.activate
def test_a_200_with_only_an_outcome_is_a_refusal_of_a_read(client: EhrClient) -> None:
    answered("GET", 200, OUTCOME)
    with pytest.raises(EhrRejected) as raised:
        read(client)
    assert raised.value.outcome == OUTCOME


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@responses.activate
def test_a_write_whose_success_says_that_it_failed_is_refused(method: str, client: EhrClient) -> None:
    answered(method, 200, OUTCOME)
    with pytest.raises(EhrRejected) as raised:
        METHODS[method](client)
    assert raised.value.outcome == OUTCOME


@responses.activate
def test_a_patient_who_was_merged_into_another_is_a_refusal_of_that_patient(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Patient/old", json={"resourceType": "Patient", "id": "new"}, content_type=FHIR)
    with pytest.raises(EhrRejected) as raised:
        client.read("Patient", "old")
    assert "merged" in raised.value.text


@responses.activate
def test_a_create_that_answers_neither_resource_nor_place_is_in_doubt(client: EhrClient) -> None:
    answered("POST", 201)
    with pytest.raises(EhrUnavailable) as raised:
        create(client)
    assert raised.value.outcome_unknown


@pytest.mark.parametrize(
    "place", ["http://ehr.test/fhir/Goal/77/_history/4", "/fhir/Goal/77/_history/4", "Goal/77/_history/4"]
)
@responses.activate
def test_a_create_without_a_body_is_found_by_its_location(place: str, client: EhrClient) -> None:
    answered("POST", 201, Location=place, ETag='W/"4"')
    made = create(client)
    assert (made.id, made.version, made.resource) == ("77", "4", None)


@responses.activate
def test_a_redirect_to_another_host_is_not_followed_and_gets_no_token(client: EhrClient) -> None:
    answered("GET", 302, Location="http://elsewhere.test/fhir/Goal/g1")
    elsewhere = responses.add("GET", "http://elsewhere.test/fhir/Goal/g1", json=GOAL)
    with pytest.raises(EhrRejected) as raised:
        read(client)
    assert elsewhere.call_count == 0
    assert "elsewhere.test" in raised.value.text


@responses.activate
def test_a_redirect_on_the_same_host_is_followed_for_a_read_only(client: EhrClient) -> None:
    answered("GET", 307, Location="/fhir/r4/Goal/g1")
    responses.add("GET", "http://ehr.test/fhir/r4/Goal/g1", json=GOAL)
    assert read(client).id == "g1"
    answered("PUT", 307, Location="/fhir/r4/Goal/g1")
    with pytest.raises(EhrRejected):
        update(client)


@responses.activate
def test_redirects_in_a_circle_end(client: EhrClient) -> None:
    answered("GET", 302, Location="/fhir/Goal/g1")
    with pytest.raises(EhrRejected):
        read(client)


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [
        (requests.ConnectTimeout(), False),
        (requests.ReadTimeout(), True),
        (requests.ConnectionError("reset"), True),
        (requests.exceptions.ChunkedEncodingError(), True),
    ],
)
@responses.activate
def test_a_write_without_an_answer_is_in_doubt_unless_it_never_left(
    error: Exception, in_doubt: bool, client: EhrClient
) -> None:
    responses.add("PUT", f"{BASE}/Goal/g1", body=error)
    with pytest.raises(EhrUnavailable) as raised:
        update(client)
    assert raised.value.outcome_unknown is in_doubt


def test_a_port_where_nobody_listens_leaves_no_doubt() -> None:
    with (
        EhrClient(Transport("http://127.0.0.1:9/fhir", timeout=1.0)) as nobody,
        pytest.raises(EhrUnavailable) as raised,
    ):
        nobody.create(GOAL)
    assert not raised.value.outcome_unknown


@responses.activate
def test_retry_after_is_told(client: EhrClient) -> None:
    answered("PUT", 429, **{"Retry-After": "7"})
    with pytest.raises(EhrUnavailable) as raised:
        update(client)
    assert raised.value.retry_after == 7.0


@responses.activate
def test_an_answer_that_is_too_large_is_given_up() -> None:
    answered("GET", 200, {**GOAL, "note": [{"text": "x" * 5000}]})
    with EhrClient(Transport(BASE, max_bytes=1000)) as small, pytest.raises(EhrUnavailable):
        read(small)


@pytest.mark.parametrize("call", METHODS.values())
@responses.activate
def test_no_failure_tells_the_token(call: Callable[[Any], Any], client: EhrClient, capfd: Any) -> None:
    for method in METHODS:
        answered(method, 500, "boom s3cret")
    with pytest.raises(EhrUnavailable) as raised:
        call(client)
    said = capfd.readouterr()
    told = repr(raised.value) + raised.value.text + said.out + said.err
    assert "s3cret-token" not in told
    assert responses.calls[0].request.headers["Authorization"] == "Bearer s3cret-token"


@responses.activate
def test_if_match_and_if_none_exist_are_sent(client: EhrClient) -> None:
    answered("PUT", 200, GOAL)
    answered("POST", 200, GOAL)
    client.update(GOAL, if_match="3")
    made = client.create(GOAL, if_none_exist="identifier=a|b")
    assert responses.calls[0].request.headers["If-Match"] == 'W/"3"'
    assert responses.calls[1].request.headers["If-None-Exist"] == "identifier=a|b"
    assert made.existed


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"Retry-After": "90"}, 90.0),
        ({"Retry-After": "999999"}, 3600.0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:01:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 90.0),
        ({"Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:01:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_an_ehr_asks_us_to_wait(said: dict[str, str], seconds: float | None) -> None:
    assert failures.of_status("PUT", 429, said, b"").retry_after == seconds
