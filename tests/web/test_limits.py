"""Each kind of excessive input is bounded and answered, and never a failure of ours."""

import time

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.search.definitions import RESULTS, SPECIAL

SQL = "x'; DROP TABLE resource; --"


def _bounded(response, *statuses):
    assert response.status_code in statuses, response.get_data(as_text=True)[:500]
    assert response.get_json(force=True)["resourceType"] in ("Bundle", "OperationOutcome", "Parameters")


def test_a_thousand_values_are_too_many(api, problem):
    values = ",".join(str(number) for number in range(1000))
    issue = problem(api.get(f"Goal?_id={values}"), 413, "too-costly")
    assert "500" in issue["details"]["text"]


def test_a_chain_of_113_steps_is_refused(api):
    chain = ".".join(["part-of:Task"] * 113 + ["status"])
    _bounded(api.get(f"Task?{chain}=ready"), 400, 413)


def test_an_include_that_runs_in_circles_ends(api, goal):
    tasks = [
        {
            "resourceType": "Task",
            "id": f"t{number}",
            "status": "draft",
            "intent": "order",
            "partOf": [{"reference": f"Task/t{1 - number}"}],
        }
        for number in range(2)
    ]
    for task in tasks:
        assert api.put(task).status_code == 201
    bundle = api.get("Task?_id=t0&_include:iterate=Task:part-of").get_json(force=True)
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["t0", "t1"]


@pytest.mark.parametrize(
    "path", ["Goal?_count=1000000000", "_history?_count=1000000000", "AuditEvent?_count=1000000000"]
)
def test_a_count_of_a_billion_gets_a_page(api, goal, path):
    api.put(goal)
    _bounded(api.get(path), 200)


def test_a_pattern_that_explodes_elsewhere_is_only_text(api, patient):
    api.put({**patient, "name": [{"family": "a" * 50}]})
    _bounded(api.get("Patient?name:contains=(a%2B)%2B%24"), 200)


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_sql_in_every_parameter_is_only_text(api, type_, goal):
    api.put(goal)
    for code in (*(item.code for item in CATALOG[type_].parameters), *RESULTS, *SPECIAL, "_type", "resource"):
        for name in (code, f"{code}:missing", f"{code}:{SQL}", f"{code}.{SQL}"):
            _bounded(api.client.get(f"/fhir/{type_}", query_string={name: SQL}), 200, 400)
        _bounded(api.client.get(f"/fhir/{type_}/$explain", query_string={code: SQL}), 200, 400, 404)
    assert api.get("Goal/g1").status_code == 200


def test_sql_in_every_place_of_an_address_is_only_text(api, goal):
    api.put(goal)
    for path in ("Goal/{}", "{}/g1", "Goal/g1/_history/{}", "Goal/g1/{}", "Goal/{}/_history", "AuditEvent/{}"):
        _bounded(api.client.get(f"/fhir/{path.format(SQL)}"), 400, 404)
    for path in ("_history", "Goal/_history", "Goal/g1/_history", "AuditEvent", "Patient/p1/$everything"):
        for name in ("_count", "_since", "_at", "_before", "_page", "patient", "date", "_type", "start"):
            _bounded(api.client.get(f"/fhir/{path}", query_string={name: SQL}), 400, 404)
    assert api.get("Goal/g1").status_code == 200


@pytest.mark.parametrize("name", ["value-quantity", "date", "_lastUpdated", "_id", "code", "patient", "_count"])
def test_a_value_of_400_digits_is_bounded_in_every_kind_of_parameter(api, name):
    for value in ("9" * 400, "9" * 400 + ".5", "1e" + "9" * 400, "-" + "1" * 400):
        _bounded(api.get(f"Observation?{name}={value}"), 200, 400)


PATTERNS = ["(a%2B)%2B%24", "(a|aa)%2B%24", "%25%25%25%25%25%25%25%25_", "a" * 5000, "*" * 500]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_explodes_is_answered_at_once_in_every_text(api, patient, pattern):
    div = f"<div xmlns='http://www.w3.org/1999/xhtml'>{'a' * 9000}</div>"
    given = {**patient, "name": [{"family": "a" * 200}], "text": {"status": "generated", "div": div}}
    assert api.put(given).status_code == 201
    begin = time.monotonic()
    for query in ("name:contains={}", "name={}", "_filter=name co '{}'", "_text={}", "_content={}"):
        _bounded(api.get(f"Patient?{query.format(pattern)}"), 200, 400)
    assert time.monotonic() - begin < 30


def test_a_number_of_400_digits_is_kept_and_a_longer_one_refused(api):
    def observation(digits):
        value = "1" * digits + ".5"
        return (
            '{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"w"},'
            f'"valueQuantity":{{"value":{value}}}}}'
        )

    assert api.send("PUT", "Observation/o1", observation(390)).status_code in (201, 422)
    _bounded(api.send("PUT", "Observation/o1", observation(500)), 400)


def test_ten_thousand_entries_are_too_many(api, problem):
    entry = {"request": {"method": "GET", "url": "Goal/g1"}}
    issue = problem(api.bundle("transaction", *[entry] * 10_000), 413, "too-costly")
    assert "2000" in issue["details"]["text"]


@pytest.mark.parametrize(
    "body", [b'{"resourceType":"Goal","id":"g1","id":"g2"}', b'{"resourceType":"Goal","id":"\xff"}']
)
def test_double_keys_and_broken_utf8_are_refused(api, body):
    _bounded(api.send("PUT", "Goal/g1", body), 400)


def test_a_patch_of_many_operations_is_refused(api, goal, problem):
    api.put(goal)
    operations = [{"op": "add", "path": "/language", "value": "en"}] * 2000
    headers = {"Content-Type": "application/json-patch+json"}
    problem(api.send("PATCH", "Goal/g1", operations, headers), 413, "too-costly")
