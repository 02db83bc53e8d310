"""Tries to tell by any answer whether another patient's resource exists: it must be that for one that never was."""

import json
import re

import pytest

from tests.guarded.conftest import goal, plan, task

THEIRS, NONE = "gb", "xx"
_OWN = ("X-Request-Id", "Date", "Last-Modified", "Content-Length")
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def a(two_patients):
    # What a's own plan refers to can be searched for, whosever it is.
    two_patients.load(plan("pa", "a", goal=[{"reference": "Goal/ga"}]))
    return two_patients.caller("patient/*.cruds", patient="a")


def said(answer, id_):
    """An answer without the id that was asked for, and what no two answers share."""
    encoded = "".join(f"%{ord(letter):02x}" for letter in id_)
    text = answer.get_data(as_text=True).replace(encoded, "ID").replace(id_, "ID")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+Z|_cursor=[\w.\-]+", "X", text)
    shared = {name: value for name, value in answer.headers if name not in _OWN}
    kept = {name: re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "X", value.replace(id_, "ID")) for name, value in shared.items()}
    return answer.status_code, kept, text


GETS = [
    "Goal/{}",
    "Goal/{}?_format=xml",
    "Goal/{}?_summary=count",
    "Goal/{}/_history",
    "Goal/{}/_history/1",
    "Goal/{}/_history/9",
    "Goal?_id={}",
    "Goal?_id={}&_total=accurate",
    "Goal?_id={}&_summary=count",
    "Goal?_id:not={}&_summary=count",
    "Goal?_id={}&_id={}",
    "Goal?_id=ga,{}",
    "Goal?%5fid={}",
    "Goal?_filter=id eq {}",
    "Goal?_filter=not (id eq {})",
    "CarePlan?goal={}",
    "CarePlan?goal=Goal/{}",
    "CarePlan?goal:Goal={}",
    "CarePlan?goal:missing=false&goal={}",
    "CarePlan?goal:Goal._id={}",
    "CarePlan?goal.description:missing=false&goal={}",
    "CarePlan?_has:CarePlan:goal:_id={}",
    "CarePlan?_filter=goal eq Goal/{}",
    "CarePlan?_filter=goal re Goal/{}",
    "Goal?_has:CarePlan:goal:_id=pb&_id={}",
    "CarePlan?_include=*&_include:iterate=*&goal={}",
    "CarePlan?_include:iterate=*:*&_revinclude:iterate=*:*&goal={}",
    "Patient?_has:Goal:subject:_id={}",
    "Patient?_has:Goal:patient:_id={}",
    "Patient?_has:Goal:patient:_has:CarePlan:goal:_id=pb&_has:Goal:patient:_id={}",
    "Provenance?target=Goal/{}",
    "Provenance?target:Goal._id={}",
    "AuditEvent?entity=Goal/{}",
    "Goal/{}/$meta",
    "Goal/{}/$validate",
    "Goal/{}/$as-of?date=2026-01-01",
    "Goal/{}/$receipt",
    "Goal/{}/$receipts",
    "Goal/{}/$explain",
    "Goal/{}/$conflicts",
    "List?item=Goal/{}",
    "Observation?focus=Goal/{}",
    "Task?focus=Goal/{}",
    "Task?based-on=Goal/{}",
    "_history?_id={}",
    "Goal/_history?_id={}",
    "?_type=Goal&_id={}",
    "Goal?_sort=_lastUpdated&_id={}",
    "Goal?_elements=id&_id={}",
    "Goal?_text={}",
    "Goal?_content={}",
    "Goal?_list={}",
    "Patient/b/Goal?_id={}",
    "Patient/a/Goal?_id={}",
    "Patient/a/*?_id={}",
    "Goal?patient=b&_id={}",
    "Goal?patient.family=Bell&_id={}",
    "Goal?subject:Patient.family=Bell&_id={}",
    "Goal?subject:Patient.name:missing=false&_id={}",
]


def test_no_get_tells(a):
    def answers(path):
        return [said(a.get(path.replace("{}", id_)), id_) for id_ in (THEIRS, NONE)]

    assert [path for path in GETS if len(set(map(str, answers(path)))) > 1] == []


CONDITIONS = [
    {},
    {"If-Match": 'W/"1"'},
    {"If-Match": 'W/"9"'},
    {"If-None-Match": "*"},
    {"If-None-Match": 'W/"1"'},
    {"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"},
    {"Prefer": "return=representation"},
    {"Prefer": "handling=lenient"},
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
def test_no_conditional_header_tells(a, method):
    tried = [{"op": "test", "path": "/description/text", "value": "Goal gb"}, {"op": "remove", "path": "/note"}]
    body, kind = (tried, JSON_PATCH) if method == "PATCH" else (None, {})

    def answers(headers):
        return [said(a.send(method, f"Goal/{id_}", body, {**kind, **headers}), id_) for id_ in (THEIRS, NONE)]

    assert [headers for headers in CONDITIONS if len(set(map(str, answers(headers)))) > 1] == []


def plan_with(goal_reference):
    return {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/a"},
        "goal": [{"reference": goal_reference}],
    }


WRITES = [
    ("DELETE", "Goal?_id={}", None),
    ("PUT", "Goal?_id={}", goal("new", "a") | {"id": ""}),
    ("PATCH", "Goal?_id={}", [{"op": "add", "path": "/note", "value": []}]),
    ("DELETE", "CarePlan?goal={}", None),
    ("DELETE", "Goal/{}/_history/1", None),
    ("DELETE", "Goal/{}/_history", None),
    ("POST", "Goal/_search", "_id={}"),
    ("POST", "Goal/_search?_id={}", "_id=ga"),
    ("POST", "Goal/_search?_id=ga", "_id={}"),
    ("POST", "Goal/{}/$validate", goal("x", "a")),
    (
        "POST",
        "Goal/$validate",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": goal("{}", "a")}, {"name": "mode", "valueCode": "update"}],
        },
    ),
    ("POST", "Goal/$validate", {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}),
    (
        "POST",
        "Goal/{}/$meta-add",
        {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]},
    ),
    (
        "POST",
        "CarePlan/$validate",
        plan_with("Goal/{}"),
    ),
    (
        "POST",
        "CarePlan",
        plan_with("Goal/{}"),
    ),
    (
        "POST",
        "CarePlan",
        plan_with("Goal?_id={}"),
    ),
    (
        "POST",
        "CarePlan",
        plan_with("Goal/{}/_history/1"),
    ),
    ("POST", "Task", task("", "a", focus={"reference": "Goal/{}"}) | {"id": "tt"}),
    (
        "POST",
        "Goal/{}/$break-glass",
        {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "x"}]},
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda item: str(item)[:60])
def test_no_write_tells(a, method, path, body):
    answers = []
    for id_ in (THEIRS, NONE):
        sent = (
            json.dumps(body).replace("{}", id_)
            if not isinstance(body, str | None)
            else (body or "").replace("{}", id_) or None
        )
        headers = (
            {"Content-Type": "application/x-www-form-urlencoded"}
            if isinstance(body, str)
            else JSON_PATCH
            if method == "PATCH"
            else {}
        )
        answers.append(said(a.send(method, path.replace("{}", id_), sent, headers), id_))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "url": "Goal/{}"},
        {"method": "GET", "url": "Goal?_id={}"},
        {"method": "DELETE", "url": "Goal/{}"},
        {"method": "DELETE", "url": "Goal?_id={}"},
        {"method": "HEAD", "url": "Goal/{}"},
        {"method": "PUT", "url": "Goal?_id={}"},
        {"method": "POST", "url": "Goal", "ifNoneExist": "_id={}"},
        {"method": "GET", "url": "Goal/{}", "ifNoneMatch": 'W/"1"'},
        {"method": "DELETE", "url": "Goal/{}", "ifMatch": 'W/"1"'},
        {"method": "GET", "url": "Goal/{}/_history"},
        {"method": "GET", "url": "/Goal/{}"},
        {"method": "GET", "url": "http://127.0.0.1:8080/fhir/Goal/{}"},
        {"method": "GET", "url": "./Goal/{}"},
        {"method": "GET", "url": "Goal/%7B%7D"},
    ],
    ids=str,
)
def test_no_entry_tells(a, kind, request_):
    answers = []
    for id_ in (THEIRS, NONE):
        asked = json.loads(
            json.dumps(request_).replace("{}", id_).replace("%7B%7D", "".join(f"%{ord(c):02x}" for c in id_))
        )
        entry = {"request": asked}
        if asked["method"] in ("PUT", "POST"):
            entry["resource"] = {**goal("y", "a"), "id": "y"} if asked["method"] == "PUT" else goal("y", "a")
        answers.append(said(a.bundle(kind, entry), id_))
        a.delete("Goal/y")
    assert answers[0][0] == answers[1][0]
    assert answers[0][2] == answers[1][2]
