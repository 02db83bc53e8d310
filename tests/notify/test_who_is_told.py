"""A subscriber is told of nothing that it could not read at that moment."""

from __future__ import annotations

import json
from typing import Any

import pytest

SCOPES = "system/Goal.rs system/Subscription.cruds"
ROOT = "system/*.cruds"


@pytest.fixture
def server(configured: Any) -> Any:
    made = configured(auth="smart")
    made.root = made.bearer(ROOT, "root")
    for patient in ("p1", "p2"):
        assert made.put({"resourceType": "Patient", "id": patient}, **made.root).status_code == 201
    return made


def create(server: Any, resource: dict[str, Any], headers: dict[str, str]) -> Any:
    return server.call("POST", "Subscription", {k: v for k, v in resource.items() if k != "id"}, **headers)


def goals_told(listener: Any) -> list[str]:
    told = [body for body in listener.bodies() if body]
    return [entry["fullUrl"].rpartition("/")[2] for body in told for entry in body["entry"][1:]]


def test_scopes_decide_what_is_told(server: Any, listener: Any, by_topic: Any, goal: Any):
    mine = server.bearer(SCOPES)
    assert create(server, by_topic(listener.url, "Goal"), mine).status_code == 201
    assert create(server, by_topic(f"{listener.url}/tasks", "Task"), mine).status_code == 201
    server.tell()
    server.put(goal("g1"), **server.root)
    task = {
        "resourceType": "Task",
        "id": "t1",
        "status": "draft",
        "intent": "order",
        "for": {"reference": "Patient/p1"},
    }
    server.put(task, **server.root)
    listener.heard.clear()
    server.tell()
    assert goals_told(listener) == ["g1"], "no scope reads tasks, so none is told, nor counted"


def test_a_scope_with_a_condition_tells_only_what_fulfils_it(server: Any, listener: Any, by_topic: Any, goal: Any):
    mine = server.bearer("system/Goal.rs?lifecycle-status=active system/Subscription.cruds")
    create(server, by_topic(listener.url, "Goal"), mine)
    server.tell()
    server.put(goal("g1"), **server.root)
    server.put(goal("g2", status="on-hold"), **server.root)
    server.tell()
    assert goals_told(listener) == ["g1"]


def test_what_a_consent_or_a_label_withholds_is_not_told(server: Any, listener: Any, by_topic: Any, goal: Any):
    mine = server.bearer(SCOPES)
    create(server, by_topic(listener.url, "Goal", "full-resource"), mine)
    server.tell()
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}
    server.put({**goal("g1"), "meta": {"security": [label]}}, **server.root)
    server.put(goal("g2"), **server.root)
    server.tell()
    assert goals_told(listener) == ["g2"]


def test_what_is_hidden_between_its_change_and_its_telling_is_not_shown(
    server: Any, listener: Any, by_topic: Any, goal: Any
):
    mine = server.bearer("system/Goal.rs?lifecycle-status=active system/Subscription.cruds")
    create(server, by_topic(listener.url, "Goal", "full-resource"), mine)
    server.tell()
    listener.status = 500
    server.put(goal("g1"), **server.root)
    server.tell()
    server.put(goal("g1", status="on-hold"), **server.root)
    listener.status, server.ahead = 200, 60_000
    listener.heard.clear()
    server.tell()
    assert goals_told(listener) == []


def test_a_client_sees_and_changes_only_its_own(server: Any, listener: Any, by_topic: Any):
    mine, other = server.bearer(SCOPES, "mine"), server.bearer(SCOPES, "other")
    made = json.loads(create(server, by_topic(listener.url, "Goal"), mine).data)
    path = f"Subscription/{made['id']}"
    assert server.call("GET", path, **mine).status_code == 200
    for way in (path, f"{path}/$status", f"{path}/$events", f"{path}/_history"):
        assert server.call("GET", way, **other).status_code == 404, way
    server.call("DELETE", path, **other)
    assert server.call("GET", path, **mine).status_code == 200
    assert server.put(by_topic(listener.url, "Goal", id_=made["id"]), **other).status_code == 404
    assert json.loads(server.call("GET", "Subscription", **other).data).get("entry", []) == []
    assert json.loads(server.call("GET", "Subscription/$status", **other).data)["total"] == 0
    stolen = by_topic(listener.url, "Goal")
    stolen["meta"]["tag"] = [{"system": "http://fhirplan.dev/fhir/sid/client", "code": "mine"}]
    create(server, stolen, other)
    assert len(json.loads(server.call("GET", "Subscription", **mine).data)["entry"]) == 1


def focuses(answer: Any) -> list[str]:
    return [entry["fullUrl"].rpartition("/")[2] for entry in json.loads(answer.data)["entry"][1:]]


def test_events_that_are_asked_for_are_those_that_the_caller_may_read(
    configured: Any, listener: Any, by_topic: Any, goal: Any
):
    """Many people use one client; what it was told for one of them is not for all of them."""
    server = configured(auth="smart", guarded_readers="Practitioner/doctor, client root")
    root = server.bearer(ROOT, "root")
    server.put({"resourceType": "Patient", "id": "p1"}, **root)
    for name in ("doctor", "nurse"):
        server.put({"resourceType": "Practitioner", "id": name}, **root)
    scope = "user/Goal.rs user/Subscription.cruds"
    doctor = server.bearer(scope, fhirUser="Practitioner/doctor")
    nurse = server.bearer(scope, fhirUser="Practitioner/nurse")
    narrow = server.bearer("user/Subscription.rs", fhirUser="Practitioner/doctor")
    made = json.loads(create(server, by_topic(listener.url, "Goal", "full-resource"), doctor).data)
    server.tell()
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}
    server.put({**goal("g1"), "meta": {"security": [label]}}, **root)
    server.put(goal("g2"), **root)
    server.tell()
    path = f"Subscription/{made['id']}/$events"
    assert focuses(server.call("GET", path, **doctor)) == ["g1", "g2"]
    assert focuses(server.call("GET", path, **nurse)) == ["g2"]
    assert focuses(server.call("GET", path, **narrow)) == []


@pytest.mark.parametrize("scope", ["patient/*.cruds", "patient/Subscription.cruds"])
def test_a_token_of_one_patient_makes_none(server: Any, listener: Any, by_topic: Any, scope: str):
    theirs = server.bearer(scope, "app", patient="p1")
    assert create(server, by_topic(listener.url, "Goal"), theirs).status_code == 403


def test_a_client_that_is_disabled_is_told_nothing_more(server: Any, listener: Any, by_topic: Any, goal: Any):
    from dataclasses import replace

    from fhirplan.store.access import clients

    mine = server.bearer(SCOPES)
    made = json.loads(create(server, by_topic(listener.url, "Goal"), mine).data)
    server.tell()
    with server.services.database.write() as tx:
        clients.change(tx, replace(clients.get(tx, "c"), disabled=1))
    server.put(goal("g1"), **server.root)
    listener.heard.clear()
    server.tell()
    assert listener.heard == []
    with server.services.database.read() as tx:
        from fhirplan.store import versions

        stored = versions.current(tx, "default", "Subscription", made["id"]).resource()
    assert stored["status"] == "error"


def test_a_client_has_so_many_and_no_more(configured: Any, listener: Any, by_topic: Any):
    server = configured(auth="smart", subscriptions_per_client=2)
    mine = server.bearer(SCOPES)
    answers = [create(server, by_topic(listener.url, "Goal"), mine) for _ in range(3)]
    assert [item.status_code for item in answers] == [201, 201, 422]
    assert b"subscriptions_per_client" in answers[-1].data


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1/hook", "https://169.254.169.254/x", "https://[::1]/x", "https://10.0.0.1/"]
)
def test_nothing_is_sent_into_our_own_network(address: str):
    from fhirplan.ehr.pinned import Unfetchable
    from fhirplan.ehr.posting import send

    with pytest.raises(Unfetchable, match="processing"):
        send(address, b"", {}, seconds=2, loopback=False)


@pytest.mark.parametrize(
    "host", ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "::7f00:1", "::ffff:a00:1"]
)
def test_no_address_that_a_gateway_translates_leads_inside(host: str):
    from fhirplan.ehr.pinned import Unfetchable, place, pool

    with pytest.raises(Unfetchable) as refused:
        pool(place(f"https://[{host}]/x", loopback=False), 1)
    assert "private network" in refused.value.text
    assert pool(place("https://[64:ff9b::808:808]/x", loopback=False), 1).host


def test_no_redirect_is_followed(server: Any, listener: Any, by_topic: Any):
    create(server, by_topic(listener.url, "Goal"), server.bearer(SCOPES))
    listener.status = 302
    server.tell()
    assert len(listener.heard) == 1
