"""The coordination rules on every way of writing: refused with the rule, the place and what to do; what follows is
written with the change."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from fhirplan.fhir.codec import dumps
from fhirplan.interactions.perform import perform
from fhirplan.interactions.values import Interaction
from fhirplan.web.app import create_app

ROOT = Path(__file__).parents[2]
ILLEGAL = [json.loads(one.read_bytes()) for one in sorted((ROOT / "fixtures" / "illegal-updates").glob("u*.json"))]
CODES = "http://fhirplan.dev/fhir/CodeSystem/"


def at(services, when):
    milliseconds = int(datetime.fromisoformat(when).timestamp() * 1000)
    return replace(services, clock=lambda: milliseconds)


@pytest.fixture
def server(configured):
    """A server that demands our profiles, at a fixed time, with what is stored before brought in as history."""

    def make(when, stored=(), **given):
        api = configured(**{"validation": "case-management", "time_zone": "America/Chicago", **given})
        services = at(api.services, when)
        for item in stored:
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry("PUT", item)]}
            asked = Interaction("bundle", "http://127.0.0.1:8080/fhir", body=dumps(bundle), imported=True)
            assert perform(services, asked).status == 200, perform(services, asked).body
        return type(api)(create_app(services), services)

    return make


def entry(method, resource):
    name = resource["resourceType"] + (f"/{resource['id']}" if method != "POST" else "")
    return {"resource": resource, "request": {"method": method, "url": name}}


def refusal(response, expected):
    assert response.status_code == expected["status"], response.get_data(as_text=True)
    issues = [one for one in response.get_json(force=True)["issue"] if one["severity"] == "error"]
    said = [
        (coding["code"], one["code"], one["expression"][0]) for one in issues for coding in one["details"]["coding"]
    ]
    return said, issues


@pytest.mark.parametrize("illegal", ILLEGAL, ids=[one["id"] for one in ILLEGAL])
@pytest.mark.parametrize("route", ["direct", "patch", "transaction", "batch"])
def test_each_illegal_update_is_refused_on_every_route_by_its_rule(server, illegal, route):
    api = server(illegal["now"], illegal["stored"])
    request, expected = illegal["request"], illegal["expected"]
    body, headers = request["body"], request["headers"]
    place = f"{body['resourceType']}/{body.get('id', '')}"
    before = api.get(f"{place}/_history").get_json(force=True).get("total") if "id" in body else None
    if route == "patch" and request["method"] == "POST":
        pytest.skip("a create has nothing to patch")
    if route == "direct":
        response = api.send(request["method"], request["url"], body, headers)
    elif route == "patch":
        operations = [{"op": "replace", "path": "", "value": {**body, "meta": body.get("meta", {})}}]
        headers = {**headers, "Content-Type": "application/json-patch+json"}
        response = api.send("PATCH", request["url"], operations, headers)
    else:
        item = entry(request["method"], body)
        if headers:
            item["request"]["ifMatch"] = headers["If-Match"]
        response = api.bundle(route, item)
    if route == "batch":
        answer = response.get_json(force=True)["entry"][0]["response"]
        assert answer["status"].startswith(str(expected["status"]))
        assert expected["rule"] in json.dumps(answer["outcome"])
        return
    said, _ = refusal(response, expected)
    where = expected["expression"]
    if route == "transaction":
        dot = where.partition(".")
        where = f"Bundle.entry[0].resource{dot[1]}{dot[2]}" if dot[2] else "Bundle.entry[0].resource"
    assert said == [(expected["rule"], expected["code"], where)]
    if before is not None:
        assert api.get(f"{place}/_history").get_json(force=True)["total"] == before


def test_a_refused_move_says_what_was_tried_what_is_legal_and_who_may_do_it(server):
    illegal = ILLEGAL[0]
    api = server(illegal["now"], illegal["stored"])
    _, [issue] = refusal(api.put(illegal["request"]["body"]), illegal["expected"])
    assert issue["details"]["text"] == (
        "A Task that is completed cannot become draft. It can become in-progress (the owner) or entered-in-error "
        "(whoever wrote it)."
    )
    illegal = ILLEGAL[1]
    api = server(illegal["now"], illegal["stored"])
    _, [issue] = refusal(api.put(illegal["request"]["body"]), illegal["expected"])
    assert "cancelled (the requester or the owner)" in issue["details"]["text"]


def test_where_only_base_r4_is_asked_for_the_rules_tell_and_refuse_nothing(server):
    illegal = ILLEGAL[0]
    api = server(illegal["now"], illegal["stored"], validation="base")
    response = api.put(illegal["request"]["body"], Prefer="return=OperationOutcome")
    assert response.status_code == 200
    codes = [item["details"]["coding"][0]["code"] for item in response.get_json(force=True)["issue"]]
    assert "cm-sm-import" in codes


NOW = ILLEGAL[0]["now"]
PLAN = next(item for item in ILLEGAL[0]["stored"] if item["resourceType"] == "CarePlan")
PEOPLE = [item for item in ILLEGAL[0]["stored"] if item["resourceType"] not in ("Task",)]


def task(id_, status="accepted", **more):
    made = next(item for item in ILLEGAL[0]["stored"] if item["resourceType"] == "Task")
    made = {key: value for key, value in made.items() if key not in ("output", "executionPeriod", "businessStatus")}
    return {**made, "id": id_, "status": status, **more}


def stored(api, ref):
    return api.get(ref).get_json(force=True)


def revoked(api):
    plan = stored(api, f"CarePlan/{PLAN['id']}")
    return {**plan, "status": "revoked", "period": {**plan["period"], "end": "2026-03-12"}}


def test_tasks_of_a_revoked_plan_are_cancelled_in_the_same_transaction(server):
    started = task("t2", "in-progress", executionPeriod={"start": "2026-03-10T09:00:00-05:00"})
    api = server(NOW, [*PEOPLE, task("t1"), started])
    response = api.put(revoked(api), Prefer="return=OperationOutcome")
    assert response.status_code == 200, response.get_data(as_text=True)
    assert "Task/t2 is still in-progress" in response.get_data(as_text=True)
    made = stored(api, "Task/t1")
    assert (made["status"], made["meta"]["versionId"]) == ("cancelled", "2")
    assert made["statusReason"]["coding"][0]["code"] == "plan-revoked"
    assert stored(api, "Task/t2")["status"] == "in-progress"
    plan = stored(api, f"CarePlan/{PLAN['id']}")
    assert made["meta"]["lastUpdated"] == plan["meta"]["lastUpdated"]


def test_what_follows_for_an_entry_of_the_same_transaction_becomes_part_of_it(server):
    api = server(NOW, [*PEOPLE, task("t1")])
    plan = revoked(api)
    changed = {**stored(api, "Task/t1"), "description": "Call her again"}
    response = api.bundle("transaction", entry("PUT", plan), entry("PUT", changed))
    assert response.status_code == 200, response.get_data(as_text=True)
    made = stored(api, "Task/t1")
    assert (made["status"], made["description"], made["meta"]["versionId"]) == ("cancelled", "Call her again", "2")


def test_the_server_adds_what_only_it_knows(server):
    api = server(NOW, [*PEOPLE, task("t1")])
    response = api.put({**stored(api, "Task/t1"), "status": "in-progress"})
    assert response.status_code == 200, response.get_data(as_text=True)
    made = response.get_json(force=True)
    assert made["executionPeriod"]["start"] == made["lastModified"] == "2026-03-12T12:00:00-05:00"
    again = api.put({**made, "lastModified": "2026-03-12T11:59:00-05:00"})
    assert again.get_json(force=True)["meta"]["versionId"] == made["meta"]["versionId"]


def test_a_transaction_is_judged_as_a_whole(server):
    """A parent and its open child are completed together, and a reference leads to another entry."""
    parent = task("t1", "in-progress", executionPeriod={"start": "2026-03-10T09:00:00-05:00"})
    part = task("t2", partOf=[{"reference": "Task/t1"}])
    api = server(NOW, [*PEOPLE, parent, part])
    over = {"executionPeriod": {"start": "2026-03-10T09:00:00-05:00", "end": "2026-03-11T09:00:00-05:00"}}
    done = [{**stored(api, f"Task/{id_}"), "status": "cancelled"} for id_ in ("t2",)]
    done[0]["statusReason"] = {"coding": [{"system": CODES + "cm-task-status-reason", "code": "no-longer-needed"}]}
    finished = {**stored(api, "Task/t1"), "status": "completed", **over}
    assert api.put(finished).status_code == 422
    response = api.bundle("transaction", entry("PUT", finished), entry("PUT", done[0]))
    assert "cm-x-21" not in response.get_data(as_text=True)


def test_a_readmission_makes_its_review_once(server):
    stay = {
        "resourceType": "Encounter",
        "id": "stay-1",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": PLAN["subject"],
        "period": {"start": "2026-03-01T10:00:00-06:00", "end": "2026-03-05T10:00:00-06:00"},
    }
    again = {**stay, "id": "stay-2", "status": "in-progress", "period": {"start": "2026-03-12T08:00:00-05:00"}}
    moving = task(
        "move",
        "in-progress",
        executionPeriod={"start": "2026-03-01T10:00:00-06:00"},
        code={"coding": [{"system": CODES + "cm-task-type", "code": "manage-transition"}]},
        businessStatus={"coding": [{"system": CODES + "cm-transition-stage", "code": "discharged"}]},
    )
    api = server(NOW, [*PEOPLE, moving, stay])
    for _ in range(2):
        assert api.put(again).status_code in (200, 201)
        again = {**again, "serviceType": {"text": "Cardiology"}}
    found = api.get("Task?code=readmission-review").get_json(force=True)["entry"]
    assert [item["resource"]["focus"] for item in found] == [{"reference": "Encounter/stay-2"}]
    assert stored(api, "Task/move")["businessStatus"]["coding"][0]["code"] == "readmitted"


def test_loading_brings_in_what_could_not_begin_here_and_keeps_what_is_odd(server, tmp_path):
    from fhirplan.cli.load import load

    api = server(NOW, PEOPLE)
    path = tmp_path / "task.json"
    odd = task("t9", "rejected", statusReason={"text": "No capacity"})
    path.write_text(json.dumps(odd))
    done = load(api.services, "default", path)
    assert (done.status, done.issues) == (200, ())
    assert api.put({**odd, "id": "t10"}).status_code == 422


def test_a_sample_with_a_history_is_refused_as_a_write_with_the_remedy_and_taken_as_an_import(server):
    bundle = (ROOT / "fixtures" / "bundles" / "b01-hf-home-health.json").read_bytes()
    held = json.loads(bundle)
    task = next(one["resource"] for one in held["entry"] if one["resource"]["id"] == "task-call48")
    task.update(status="on-hold", statusReason={"text": "Phone cut off"})
    task.pop("businessStatus")
    api = server("2026-03-09T08:00:00-05:00")
    answer = api.send("POST", "", held)
    assert answer.status_code == 422
    [issue] = [one for one in answer.get_json(force=True)["issue"] if one["severity"] == "error"]
    assert issue["details"]["coding"][0]["code"] == "cm-sm-task"
    assert issue["expression"][0].startswith("Bundle.entry[")
    assert "fhirplan load" in issue["details"]["text"]
    asked = Interaction("bundle", "http://127.0.0.1:8080/fhir", body=dumps(held), imported=True)
    assert perform(api.services, asked).status == 200
