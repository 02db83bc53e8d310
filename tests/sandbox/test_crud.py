"""Read, create, update, delete: statuses, versions, headers, and what is refused."""

from __future__ import annotations

import pytest

TASK = {"resourceType": "Task", "id": "t1", "status": "requested", "intent": "order"}
NEW = {"resourceType": "Task", "status": "requested", "intent": "order"}


def issue(answer):
    assert answer.resource["resourceType"] == "OperationOutcome"
    return answer.resource["issue"][0]


def test_create_gives_id_version_etag_date_and_location(ehr):
    made = ehr("POST", "Task", {**NEW, "id": "mine"})
    assert made.status_code == 201
    assert made.resource["id"] == "new-1"
    assert made.resource["meta"] == {"versionId": "1", "lastUpdated": "2026-11-02T12:00:00.000Z"}
    assert made.headers["ETag"] == 'W/"1"'
    assert made.headers["Last-Modified"] == "Mon, 02 Nov 2026 12:00:00 GMT"
    assert made.headers["Location"] == "http://localhost/fhir/Task/new-1/_history/1"
    assert made.content_type == "application/fhir+json; charset=utf-8"


def test_location_is_of_the_host_that_was_called(ehr):
    assert ehr("POST", "Task", NEW, Host="ehr.test:99").headers["Location"].startswith("http://ehr.test:99/fhir/Task/")


def test_update_makes_versions_and_a_read_gives_the_newest(ehr, clock):
    assert ehr.put(TASK).status_code == 201
    clock.now += 5
    changed = ehr.put({**TASK, "status": "accepted"}, If_Match='W/"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert changed.resource["meta"]["lastUpdated"] == "2026-11-02T12:00:00.005Z"
    assert ehr("GET", "Task/t1").resource == changed.resource
    assert ehr("GET", "Task/t1/_history/1").resource["status"] == "requested"
    assert ehr("GET", "Task/t1/_history/1").headers["ETag"] == 'W/"1"'
    assert ehr("GET", "Task/t1/_history/3").status_code == 404
    assert ehr("GET", "Task/t1/_history/x").status_code == 404


def test_a_clock_that_goes_back_never_makes_last_updated_fall(ehr, clock):
    ehr.put(TASK)
    clock.now -= 60_000
    assert ehr.put(TASK).resource["meta"]["lastUpdated"] == "2026-11-02T12:00:00.000Z"


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1", 'W/"7", W/"1"', "*"])
def test_a_fitting_if_match_is_taken(ehr, tag):
    ehr.put(TASK)
    assert ehr.put(TASK, If_Match=tag).status_code == 200


@pytest.mark.parametrize(("tag", "status"), [('W/"2"', 412), ('"x"', 412), ('W/"1', 400), ("", 200)])
def test_a_stale_if_match_changes_nothing(ehr, tag, status):
    ehr.put(TASK)
    answer = ehr.put({**TASK, "status": "accepted"}, If_Match=tag)
    assert answer.status_code == status
    if status != 200:
        assert issue(answer)["code"] in ("conflict", "invalid")
        assert ehr("GET", "Task/t1").resource["meta"]["versionId"] == "1"


def test_if_match_on_what_does_not_exist_is_refused(ehr):
    assert ehr.put(TASK, If_Match='W/"1"').status_code == 412
    assert ehr("GET", "Task/t1").status_code == 404


def test_delete_then_gone_then_back(ehr):
    ehr.put(TASK)
    assert ehr("DELETE", "Task/t1", If_Match='W/"9"').status_code == 412
    gone = ehr("DELETE", "Task/t1")
    assert (gone.status_code, gone.get_data()) == (204, b"")
    assert issue(ehr("GET", "Task/t1"))["code"] == "deleted"
    assert ehr("GET", "Task/t1").status_code == 410
    assert ehr("GET", "Task/t1/_history/2").status_code == 410
    assert ehr("DELETE", "Task/t1").status_code == 204
    assert ehr("DELETE", "Task/never").status_code == 204
    back = ehr.put(TASK)
    assert (back.status_code, back.resource["meta"]["versionId"]) == (201, "3")
    assert ehr("GET", "Task/t1").status_code == 200


def test_conditional_read_answers_304_for_the_version_held(ehr):
    ehr.put(TASK)
    same = ehr("GET", "Task/t1", If_None_Match='W/"1"')
    assert (same.status_code, same.get_data(), same.headers["ETag"]) == (304, b"", 'W/"1"')
    assert ehr("GET", "Task/t1", If_None_Match='W/"2"').status_code == 200


def test_if_none_exist_creates_once(ehr):
    named = {**NEW, "identifier": [{"system": "urn:s", "value": "v|1"}]}
    first = ehr("POST", "Task", named, If_None_Exist="identifier=urn:s%7Cv%5C%7C1")
    again = ehr("POST", "Task", named, If_None_Exist="identifier=urn:s%7Cv%5C%7C1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.resource == first.resource
    assert again.headers["Location"] == first.headers["Location"]
    ehr("POST", "Task", named)
    several = ehr("POST", "Task", named, If_None_Exist="identifier=urn:s%7Cv%5C%7C1")
    assert (several.status_code, issue(several)["code"]) == (412, "multiple-matches")


@pytest.mark.parametrize("condition", ["nonsense=1", "_count=1", "identifier="])
def test_if_none_exist_without_a_known_condition_creates_nothing(ehr, condition):
    assert ehr("POST", "Task", NEW, If_None_Exist=condition).status_code == 400
    assert ehr.store.counts() == {}


def test_conditional_update_finds_creates_or_refuses(ehr):
    named = {**NEW, "identifier": [{"system": "urn:s", "value": "v"}]}
    assert ehr("PUT", "Task?identifier=urn:s|v", named).status_code == 201
    changed = ehr("PUT", "Task?identifier=urn:s|v", {**named, "status": "accepted"})
    assert (changed.status_code, changed.resource["id"]) == (200, "new-1")
    assert ehr("PUT", "Task?identifier=urn:s|v", {**named, "id": "other"}).status_code == 400
    assert ehr("PUT", "Task?identifier=urn:s|w", {**named, "id": "new-1"}).status_code == 409
    own = {**named, "id": "own", "identifier": []}
    assert ehr("PUT", "Task?identifier=urn:s|w", own).resource["id"] == "own"
    ehr("POST", "Task", named)
    assert ehr("PUT", "Task?identifier=urn:s|v", named).status_code == 412
    assert ehr("PUT", "Task", named).status_code == 400


def test_prefer_says_what_a_write_answers(ehr):
    minimal = ehr.put(TASK, Prefer="return=minimal")
    assert (minimal.status_code, minimal.get_data(), minimal.headers["ETag"]) == (201, b"", 'W/"1"')
    assert issue(ehr.put(TASK, Prefer="return=OperationOutcome"))["severity"] == "information"
    assert ehr.put(TASK, Prefer="return=representation").resource["resourceType"] == "Task"


def test_head_has_the_headers_and_no_body(ehr):
    ehr.put(TASK)
    answer = ehr("HEAD", "Task/t1")
    assert (answer.status_code, answer.get_data(), answer.headers["ETag"]) == (200, b"", 'W/"1"')


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "Task/t1", b'{"resourceType": "Task",', 400, "invalid"),
        ("PUT", "Task/t1", b'{"resourceType": "Task", "id": "t1", "id": "t1"}', 400, "invalid"),
        ("PUT", "Task/t1", b"", 400, "invalid"),
        ("PUT", "Task/t1", b"[]", 400, "invalid"),
        ("PUT", "Task/t1", b"{}", 400, "structure"),
        ("PUT", "Task/t1", {"resourceType": "Goal", "id": "t1"}, 422, "invalid"),
        ("PUT", "Task/t1", {"resourceType": "Task", "id": "t2"}, 400, "invalid"),
        ("PUT", "Task/t1", {"resourceType": "Task"}, 400, "invalid"),
        ("PUT", "Task/t1", {"resourceType": "Task", "id": "t1", "meta": []}, 422, "invalid"),
        ("PUT", "Task/a_b", {"resourceType": "Task", "id": "a_b"}, 400, "value"),
        ("PUT", "Task/" + "a" * 65, {"resourceType": "Task", "id": "a" * 65}, 400, "value"),
        ("POST", "Task", {"resourceType": "Goal"}, 422, "invalid"),
        ("GET", "Task/none", None, 404, "not-found"),
        ("GET", "Banana/1", None, 404, "not-supported"),
        ("POST", "Banana", {"resourceType": "Banana"}, 404, "not-supported"),
        ("GET", "Task/t1/more/than/that", None, 404, "not-supported"),
        ("PATCH", "Task/t1", {"resourceType": "Task"}, 405, "not-supported"),
        ("DELETE", "Task?status=done", None, 405, "not-supported"),
        ("POST", "Task/t1", TASK, 405, "not-supported"),
        ("DELETE", "metadata", None, 405, "not-supported"),
        ("GET", "", None, 405, "not-supported"),
        ("GET", "/elsewhere", None, 404, "not-found"),
    ],
)
def test_refusals_have_their_status_and_an_outcome(ehr, method, path, body, status, code):
    answer = ehr(method, path, body)
    assert (answer.status_code, issue(answer)["code"]) == (status, code)
    assert issue(answer)["details"]["text"]
    assert ehr.store.counts() == {}


def test_a_405_says_what_is_allowed(ehr):
    assert ehr("PATCH", "Task/t1", TASK).headers["Allow"] == "GET, PUT, DELETE"


def test_only_json_is_spoken(ehr):
    assert ehr("POST", "Task", b"<Task/>", Content_Type="application/fhir+xml").status_code == 415
    assert ehr("GET", "metadata", Accept="application/fhir+xml").status_code == 406
    assert ehr("GET", "metadata?_format=xml").status_code == 406
    for accept in ("application/fhir+json", "application/json;q=0.5, text/html", "*/*", "application/*"):
        assert ehr("GET", "metadata", Accept=accept).status_code == 200, accept
    assert ehr("GET", "metadata?_format=json", Accept="text/html").status_code == 200


def test_digits_text_and_unknown_elements_come_back_as_they_were_sent(ehr):
    sent = (
        b'{"resourceType":"Observation","id":"o","status":"final",'
        b'"valueQuantity":{"value":1.50,"x":1e3,"y":0.0000001,"z":12345678901234567890},'
        b'"note":[{"text":"Zo\xc3\xab \\u2028 \\"q\\""}]}'
    )
    ehr("PUT", "Observation/o", sent)
    shown = ehr("GET", "Observation/o").get_data()
    assert b'"valueQuantity":{"value":1.50,"x":1e3,"y":0.0000001,"z":12345678901234567890}' in shown
    assert 'Zoë \u2028 \\"q\\"'.encode() in shown
    searched = ehr("GET", "Observation").get_data()
    assert shown in searched
    assert b'"value": 1.50' in ehr("GET", "Observation/o?_pretty=true").get_data()


def test_a_fault_inside_shows_nothing_of_its_workings(ehr, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(ehr.store, "latest", broken)
    answer = ehr("GET", "Task/t1")
    assert (answer.status_code, issue(answer)["code"]) == (500, "exception")
    assert b"secret" not in answer.get_data()
