"""What a subscriber is sent, when, and what becomes of a subscription that cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fhirplan.jobs.passes import notify_pass

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def status_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """The first entry's Parameters by name; events as lists of their parts."""
    made: dict[str, Any] = {"events": []}
    for item in bundle["entry"][0]["resource"]["parameter"]:
        value = next((found for key, found in item.items() if key.startswith("value")), None)
        if item["name"] == "notification-event":
            parts = {p["name"]: next(v for k, v in p.items() if k.startswith("value")) for p in item["part"]}
            made["events"].append(parts)
        else:
            made[item["name"]] = value
    return made


def test_a_topic_is_shaken_hands_on_and_then_tells_of_each_change(server: Any, listener: Any, by_topic: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    assert server.put(by_topic(listener.url, "Goal", "full-resource")).status_code == 201
    assert server.subscription("s1")["status"] == "requested"
    assert server.tell()
    assert server.subscription("s1")["status"] == "active"
    shaken = status_of(listener.bodies()[0])
    assert (shaken["type"], shaken["events-since-subscription-start"], shaken["events"]) == ("handshake", "0", [])

    server.put(goal("g1"))
    server.put(goal("g1", text="run"))
    server.call("DELETE", "Goal/g1")
    server.tell()
    [told] = listener.bodies()[1:]
    said = status_of(told)
    assert (told["type"], said["type"], said["status"]) == ("history", "event-notification", "active")
    assert said["topic"] == "http://fhirplan.dev/fhir/SubscriptionTopic/Goal"
    assert [item["event-number"] for item in said["events"]] == ["1", "2", "3"]
    entries = told["entry"][1:]
    assert [item["request"]["method"] for item in entries] == ["POST", "PUT", "DELETE"]
    assert [item.get("resource", {}).get("description", {}).get("text") for item in entries] == ["walk", "run", None]
    assert not server.tell(), "each is told once"


def test_how_much_is_sent_is_what_was_asked_for(server: Any, listener: Any, by_topic: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    for number, content in enumerate(("empty", "id-only", "full-resource")):
        server.put(by_topic(f"{listener.url}/{number}", "Goal", content, id_=f"s{number}"))
    server.tell()
    listener.heard.clear()
    server.put(goal("g1"))
    server.tell()
    told = {path[-1]: body for _, path, _, body in listener.heard}
    assert len(told["0"]["entry"]) == 1
    assert "focus" not in status_of(told["0"])["events"][0]
    assert "resource" not in told["1"]["entry"][1]
    assert status_of(told["1"])["events"][0]["focus"] == {"reference": "http://127.0.0.1:8080/fhir/Goal/g1"}
    assert told["2"]["entry"][1]["resource"]["id"] == "g1"


def test_filters_all_hold(server: Any, listener: Any, by_topic: Any, goal: Any):
    for patient in ("p1", "p2"):
        server.put({"resourceType": "Patient", "id": patient})
    server.put(by_topic(listener.url, "Goal", "id-only", "Goal?patient=Patient/p1", "lifecycle-status=active"))
    server.tell()
    server.put(goal("g1"))
    server.put(goal("g2", patient="p2"))
    server.put(goal("g3", status="on-hold"))
    server.tell()
    [event] = status_of(listener.bodies()[-1])["events"]
    assert event["focus"]["reference"].endswith("Goal/g1")


def test_a_search_of_ones_own_is_told_as_r4_has_it(server: Any, listener: Any, plain: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    server.put(plain(listener.url, "Goal?lifecycle-status=completed"))
    server.put(plain(f"{listener.url}/all", "Goal?", "s2", payload="application/fhir+json"))
    server.tell()
    assert listener.heard == [], "a search has no handshake"
    assert server.subscription("s1")["status"] == "active"
    server.put(goal("g1"))
    server.put(goal("g1", status="completed"))
    server.call("DELETE", "Goal/g1")
    server.tell()
    assert sorted((method, path, body and body["lifecycleStatus"]) for method, path, _, body in listener.heard) == [
        ("POST", "/hook", None),
        ("PUT", "/hook/all/Goal/g1", "active"),
        ("PUT", "/hook/all/Goal/g1", "completed"),
    ]


def test_headers_are_sent_and_shown_to_nobody(server: Any, listener: Any, by_topic: Any):
    secret = "Authorization: Bearer 0123456789"
    asked = by_topic(listener.url, "Goal", header=[secret])
    made = server.put(asked)
    server.tell()
    assert listener.heard[0][2]["Authorization"] == "Bearer 0123456789"
    shown = [made, server.call("GET", "Subscription/s1"), server.call("GET", "Subscription/s1/_history")]
    assert all(b"0123456789" not in answer.data for answer in shown)
    database = server.services.settings.database.removeprefix("sqlite:///")
    with open(database, "rb") as file:
        assert b"0123456789" not in file.read()
    # Written again without them they stay, as whoever reads the resource cannot see them; but not for another place.
    asked["channel"].pop("header")
    server.put({**asked, "reason": "to know more"})
    server.tell()
    assert listener.heard[-1][2]["Authorization"] == "Bearer 0123456789"
    elsewhere = {**asked, "channel": {**asked["channel"], "endpoint": f"{listener.url}/else"}}
    server.put(elsewhere)
    server.tell()
    assert "Authorization" not in listener.heard[-1][2]


def test_what_does_not_arrive_is_sent_again_later_and_in_order(server: Any, listener: Any, by_topic: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    server.put(by_topic(listener.url, "Goal", "id-only"))
    server.tell()
    listener.status = 503
    server.put(goal("g1"))
    server.tell()
    server.put(goal("g2"))
    assert server.tell(), "the change is looked at"
    assert len(listener.heard) == 2, "and not sent before the pause is over"
    listener.status = 204
    server.ahead += 2_000
    server.tell()
    told = status_of(listener.bodies()[-1])["events"]
    assert [(item["event-number"], item["focus"]["reference"][-2:]) for item in told] == [("1", "g1"), ("2", "g2")]


def test_what_is_never_answered_ends_as_an_error_that_only_the_client_ends(
    configured: Any, listener: Any, by_topic: Any, goal: Any
):
    server = configured(subscription_attempts=3)
    server.put({"resourceType": "Patient", "id": "p1"})
    asked = by_topic(listener.url, "Goal", "id-only")
    server.put(asked)
    server.tell()
    listener.status = 500
    server.put(goal("g1"))
    for _ in range(5):
        server.tell()
        server.ahead += 10_000
    ended = server.subscription("s1")
    assert (ended["status"], ended["error"]) == ("error", "Not delivered: it is answered with 500.")
    assert len(listener.heard) == 1 + 3
    listener.status = 200
    server.tell()
    assert len(listener.heard) == 1 + 3
    server.put({**asked, "reason": "again"})
    server.tell()
    assert server.subscription("s1")["status"] == "active"
    assert "error" not in server.subscription("s1")


def test_a_handshake_that_is_refused_makes_no_subscription(configured: Any, listener: Any, by_topic: Any):
    server = configured(subscription_attempts=1)
    listener.status = 401
    server.put(by_topic(listener.url, "Goal"))
    server.tell()
    assert server.subscription("s1")["status"] == "error"


def test_silence_is_broken_by_a_heartbeat(server: Any, listener: Any, by_topic: Any):
    asked = by_topic(listener.url, "Goal")
    asked["channel"]["extension"] = [{"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 60}]
    server.put(asked)
    server.tell()
    assert not server.tell()
    server.ahead += 61_000
    server.tell()
    assert [status_of(body)["type"] for body in listener.bodies()] == ["handshake", "heartbeat"]
    assert not server.tell()


def test_one_that_ends_is_off(server: Any, listener: Any, by_topic: Any):
    from fhirplan.fhir.dates import instant

    asked = {**by_topic(listener.url, "Goal"), "end": instant(server.now() + 60_000)}
    server.put(asked)
    server.tell()
    server.ahead += 61_000
    server.tell()
    assert server.subscription("s1")["status"] == "off"


def test_deleted_it_is_told_nothing_more(server: Any, listener: Any, by_topic: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    server.put(by_topic(listener.url, "Goal"))
    server.tell()
    server.call("DELETE", "Subscription/s1")
    server.put(goal("g1"))
    assert not server.tell()
    assert len(listener.heard) == 1


def test_status_and_events_can_be_asked_for(server: Any, listener: Any, by_topic: Any, goal: Any):
    server.put({"resourceType": "Patient", "id": "p1"})
    server.put(by_topic(listener.url, "Goal", "full-resource"))
    server.tell()
    for number in range(3):
        server.put(goal(f"g{number}"))
    server.tell()
    found = json.loads(server.call("GET", "Subscription/s1/$status").data)
    assert (found["type"], found["total"]) == ("searchset", 1)
    said = status_of(found)
    assert (said["type"], said["status"], said["events-since-subscription-start"]) == ("query-status", "active", "3")
    assert json.loads(server.call("GET", "Subscription/$status?status=error").data)["total"] == 0
    again = json.loads(server.call("GET", "Subscription/s1/$events?eventsSinceNumber=2&content=id-only").data)
    told = status_of(again)
    assert (told["type"], [item["event-number"] for item in told["events"]]) == ("query-event", ["2", "3"])
    assert all("resource" not in item for item in again["entry"][1:])


def test_a_worker_that_dies_after_sending_is_followed_by_one_that_sends_the_same_number(
    server: Any, listener: Any, by_topic: Any, goal: Any
):
    class Died(BaseException):
        """As kill -9 between the answer and its note."""

    server.put({"resourceType": "Patient", "id": "p1"})
    server.put(by_topic(listener.url, "Goal"))
    server.tell()
    first = server.notifying

    def send(*given: Any, **named: Any) -> int:
        first.send(*given, **named)
        raise Died

    server.put(goal("g1"))
    with pytest.raises(Died):
        notify_pass(replace(first, send=send))
    assert not server.tell(), "the dead worker's lease is not over"
    server.put(goal("g2"))
    server.ahead += 600_000
    server.tell()
    told = [[item["event-number"] for item in status_of(body)["events"]] for body in listener.bodies()[1:]]
    assert told == [["1"], ["1", "2"]]
