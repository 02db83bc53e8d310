"""Each kind of bad input gets its status and an OperationOutcome that says what to do."""

import json

import pytest
from structlog.testing import capture_logs

from fhirplan.interactions import perform


def test_broken_json_is_placed_by_line_and_column(api, problem):
    response = api.send("PUT", "Goal/g1", '{"resourceType": "Goal",\n "id": "g1",,}')
    issue = problem(response, 400, "invalid")
    assert issue["location"] == ["line 2, column 13"]
    assert api.get("Goal/g1").status_code == 404


@pytest.mark.parametrize("body", ["", "   ", "[]", "7", '{"id": "g1"}', b"\xff\xfe", '{"a": 1, "a": 2}', "{} {}"])
def test_what_is_no_resource_is_refused(api, body):
    response = api.send("PUT", "Goal/g1", body)
    assert response.status_code == 400
    assert response.get_json(force=True)["resourceType"] == "OperationOutcome"


def test_a_body_of_another_type_than_the_address_is_refused(api, goal, problem):
    issue = problem(api.send("POST", "Task", goal), 400, "invalid")
    assert "/Goal" in issue["details"]["text"]


def test_a_body_with_another_id_than_the_address_is_refused(api, goal, problem):
    issue = problem(api.send("PUT", "Goal/g2", goal), 400, "invalid")
    assert issue["expression"] == ["Goal.id"]
    del goal["id"]
    problem(api.send("PUT", "Goal/g2", goal), 400, "invalid")


def test_an_unknown_element_is_refused_and_named(api, goal, problem):
    issue = problem(api.put({**goal, "colour": "green"}), 422, "structure")
    assert issue["expression"] == ["Goal.colour"]
    assert api.get("Goal/g1").status_code == 404


def test_all_findings_come_at_once(api, goal):
    response = api.put({**goal, "lifecycleStatus": "nope", "colour": "green"})
    assert response.status_code == 422
    found = {issue["expression"][0] for issue in response.get_json(force=True)["issue"]}
    assert {"Goal.lifecycleStatus", "Goal.colour"} <= found


def test_a_body_over_the_limit_is_refused(configured, goal, problem):
    api = configured(max_body_bytes=2000)
    response = api.put({**goal, "note": [{"text": "x" * 3000}]})
    assert "2000" in problem(response, 413, "too-costly")["details"]["text"]
    assert api.put(goal).status_code == 201


def test_nesting_over_the_limit_is_refused(configured, problem):
    api = configured(max_depth=20)
    problem(api.send("PUT", "Goal/g1", '{"a":' * 30 + "1" + "}" * 30), 413, "too-costly")
    problem(api.send("PUT", "Goal/g1", "[" * 100_000), 413, "too-costly")


def test_an_unknown_type_is_named_with_those_that_are_served(api, problem):
    issue = problem(api.get("Banana/b1"), 404, "not-supported")
    assert "Banana" in issue["details"]["text"]
    assert "CarePlan" in issue["details"]["text"]


def test_an_id_that_cannot_be_one_is_refused(api, problem):
    problem(api.get(f"Goal/{'x' * 65}"), 400, "invalid")
    problem(api.get("Goal/a%20b"), 400, "invalid")


def test_a_method_that_is_not_served_says_which_are(api, problem):
    response = api.send("POST", "Goal/g1", {})
    problem(response, 405, "not-supported")
    assert response.headers["Allow"] == "GET, HEAD, PUT, PATCH, DELETE"
    problem(api.send("DELETE", "Goal/g1/_history/1"), 405, "not-supported")
    problem(api.send("DELETE", "_history"), 405, "not-supported")
    problem(api.send("PUT", ""), 405, "not-supported")


@pytest.mark.parametrize(
    "path", ["Goal/g1/_nothing", "Goal/$everything", "$validate", "a/b/c/d", "_nothing", "Goal/_x"]
)
def test_an_address_that_leads_nowhere_is_not_found(api, path):
    response = api.get(path)
    assert response.status_code == 404
    assert response.get_json(force=True)["issue"][0]["code"] == "not-supported"


def test_an_unknown_connection_is_not_found(api, problem):
    problem(api.send("GET", "Goal/g1", base="/mercy/fhir"), 404, "not-found")
    problem(api.send("GET", "Goal/g1", base="/default/fhir"), 404, "not-found")


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/fhir+json;fhirVersion=5.0",
        "application/fhir+xml;fhirVersion=5.0",
        "image/png, json;q=0",
    ],
)
def test_a_format_that_is_not_written_is_refused(api, goal, problem, accept):
    api.put(goal)
    problem(api.get("Goal/g1", Accept=accept), 406, "not-supported")


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "text/html, */*;q=0.8", "application/fhir+json; fhirVersion=4.0"]
)
def test_json_is_written_for_whoever_takes_it(api, goal, accept):
    api.put(goal)
    assert api.get("Goal/g1", Accept=accept).status_code == 200


def test_format_goes_before_accept(api, goal, problem):
    api.put(goal)
    assert api.get("Goal/g1?_format=json", Accept="text/html").status_code == 200
    assert api.get("Goal/g1?_format=application/fhir+json").status_code == 200
    problem(api.get("Goal/g1?_format=ttl"), 406, "not-supported")


@pytest.mark.parametrize("sent", ["text/turtle", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_format_that_is_not_read_is_refused(api, goal, problem, sent):
    problem(api.put(goal, Content_Type=sent), 415, "not-supported")


def test_pretty_is_for_people_and_changes_no_digit(api):
    text = (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"w"},"valueQuantity":{"value":1.50}}'
    )
    api.send("PUT", "Observation/o1", text)
    pretty = api.get("Observation/o1?_pretty=true").get_data(as_text=True)
    assert '\n  "id": "o1"' in pretty
    assert '"value": 1.50' in pretty


def test_an_unknown_parameter_is_never_ignored(api, goal, problem):
    api.put(goal)
    assert "sort" in problem(api.get("Goal/g1?sort=up"), 400, "invalid")["details"]["text"]
    assert "colour" in problem(api.get("Goal?colour=green"), 400, "invalid")["details"]["text"]
    problem(api.delete("Goal/g1?_cascade=true"), 400, "invalid")
    problem(api.send("PUT", "Goal/g1?colour=green", goal), 400, "invalid")
    problem(api.send("POST", "Goal?colour=green", goal), 400, "invalid")
    assert api.get("Goal/g1").headers["ETag"] == 'W/"1"'


def test_a_query_that_is_no_utf8_is_refused(api, problem):
    problem(api.get("Goal?_id=%ff"), 400, "invalid")


def test_too_many_parameters_are_refused(api, problem):
    problem(api.get("Goal?" + "&".join(["_id=1"] * 1100)), 413, "too-costly")


def test_a_callers_request_id_is_kept_when_it_is_sane(api):
    assert api.get("Goal/x", X_Request_Id="call-7.b").headers["X-Request-Id"] == "call-7.b"
    made = api.get("Goal/x", X_Request_Id="<script>").headers["X-Request-Id"]
    assert "<" not in made
    assert len(made) >= 16


def test_an_unexpected_error_tells_its_id_and_nothing_else(api, goal, monkeypatch):
    def break_down(*_):
        raise RuntimeError("Jane Roe, born 1954")

    monkeypatch.setitem(perform.OTHERS, "create", break_down)
    with capture_logs() as lines:
        response = api.post(goal, X_Request_Id="call-9")
    assert response.status_code == 500
    text = response.get_data(as_text=True)
    assert "call-9" in text
    assert json.loads(text)["issue"][0]["code"] == "exception"
    assert "Traceback" not in text
    assert "Roe" not in text
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert line["request_id"] == "call-9"
    assert line["error"] == ["RuntimeError"]
    assert line["frames"][-1].endswith(" break_down")
    assert "Roe" not in str(lines)
    assert "Walk" not in str(lines)


def test_no_environment_switches_debugging_on(configured, goal, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    api = configured()
    assert not api.app.debug
    monkeypatch.setitem(perform.OTHERS, "create", lambda *_: 1 / 0)
    answer = api.post(goal)
    assert answer.status_code == 500
    assert "division" not in answer.get_data(as_text=True)


def test_a_path_outside_the_api_is_answered_with_an_outcome(api, problem):
    problem(api.send("GET", "nowhere", base=""), 404, "not-found")
