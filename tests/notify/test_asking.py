"""What a Subscription may ask for, and how one is refused that asks for what is not kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

HOOK = "http://127.0.0.1:9/hook"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def refused(answer: Any, *words: str) -> None:
    said = json.loads(answer.data)
    assert answer.status_code == 422, said
    text = " ".join(item["details"]["text"] for item in said["issue"])
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("criteria", "word"),
    [
        ("Banana?x=1", "Banana"),
        ("Subscription?status=active", "Subscription"),
        ("Goal?colour=red", "colour"),
        ("Goal?patient.name=x", "alone"),
        ("Goal?_has:Task:focus:status=x", "alone"),
        ("Goal?lifecycle-status:in=http://x", "alone"),
        ("Goal?_filter=status eq active", "alone"),
        ("Goal?_count=10", "alone"),
        ("Goal?start-date=tomorrow", "start-date"),
        ("http://fhirplan.dev/fhir/SubscriptionTopic/Banana", "no topic"),
        ("http://fhirplan.dev/fhir/SubscriptionTopic/Provenance", "no topic"),
    ],
)
def test_criteria_that_cannot_be_kept_are_refused_with_what_can(server: Any, plain: Any, criteria: str, word: str):
    refused(server.put(plain(HOOK, criteria)), word)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.org/hook",
        "ftp://example.org/hook",
        "https://user:secret@example.org/hook",
        "https://example.org/hook#part",
        "hook",
        "https:///hook",
    ],
)
def test_an_endpoint_that_is_no_https_address_is_refused(server: Any, plain: Any, endpoint: str):
    refused(server.put(plain(endpoint, "Goal?")), "https")


def test_hosts_may_be_named(configured: Any, plain: Any):
    server = configured(subscription_hosts="ehr.example.org")
    refused(server.put(plain("https://other.example.org/hook", "Goal?")), "subscription_hosts")
    assert server.put(plain("https://ehr.example.org/hook", "Goal?")).status_code == 201


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        ({"type": "websocket"}, "rest-hook"),
        ({"type": "email"}, "rest-hook"),
        ({"payload": "application/fhir+xml"}, "application/fhir+json"),
        ({"header": ["Host: example.org"]}, "host"),
        ({"header": ["X: a\r\nEvil: b"]}, "line breaks"),
        ({"header": ["no colon"]}, "colon"),
    ],
)
def test_a_channel_that_is_not_served_is_refused(server: Any, plain: Any, channel: dict[str, Any], word: str):
    refused(server.put(plain(HOOK, "Goal?", **channel)), word)


def test_a_topic_takes_filters_of_its_type_and_a_level_of_content(server: Any, by_topic: Any):
    refused(server.put(by_topic(HOOK, "Goal", "id-only", "Task?status=requested")), "Task", "Goal")
    refused(server.put(by_topic(HOOK, "Goal", "id-only", "colour=red")), "colour")
    asked = by_topic(HOOK, "Goal")
    asked["channel"].pop("_payload")
    refused(server.put(asked), "backport-payload-content", "id-only")
    asked = by_topic(HOOK, "Goal")
    asked["channel"]["extension"] = [{"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 0}]
    refused(server.put(asked), "backport-heartbeat-period")


@pytest.mark.parametrize("status", ["active", "error"])
def test_only_the_server_says_that_one_is_active(server: Any, plain: Any, status: str):
    refused(server.put({**plain(HOOK, "Goal?"), "status": status}), "requested or off")


def test_an_end_that_is_over_is_refused(server: Any, plain: Any):
    refused(server.put({**plain(HOOK, "Goal?"), "end": "2020-01-01T00:00:00Z"}), "over")


def test_it_is_switched_off_and_on_again(server: Any, plain: Any):
    server.put(plain(HOOK, "Goal?"))
    server.tell()
    stored = server.subscription("s1")
    assert stored["status"] == "active"
    assert server.put({**stored, "contact": [{"system": "phone", "value": "1"}]}).status_code == 200
    assert server.subscription("s1")["status"] == "active", "read, changed and written back it goes on"
    server.put({**stored, "status": "off"})
    assert not server.tell()
    server.put({**stored, "status": "requested"})
    server.tell()
    assert server.subscription("s1")["status"] == "active"


def test_a_patch_a_batch_and_a_transaction_are_checked_too(server: Any, plain: Any):
    server.put(plain(HOOK, "Goal?"))
    patch = [{"op": "replace", "path": "/criteria", "value": "Banana?"}]
    answer = server.call("PATCH", "Subscription/s1", patch, **{"Content-Type": "application/json-patch+json"})
    assert answer.status_code == 422
    entry = {"resource": plain(HOOK, "Banana?", "s2"), "request": {"method": "PUT", "url": "Subscription/s2"}}
    for kind, status in (("transaction", 422), ("batch", 200)):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = server.client.post("/fhir", json=bundle)
        assert answer.status_code == status
    assert server.call("GET", "Subscription/s2").status_code == 404


def test_the_statement_names_the_topics(server: Any):
    said = json.loads(server.call("GET", "metadata").data)
    [claimed] = [item for item in said["rest"][0]["resource"] if item["type"] == "Subscription"]
    topics = {item["valueCanonical"] for item in claimed["extension"]}
    assert "http://fhirplan.dev/fhir/SubscriptionTopic/CarePlan" in topics
    assert {"status", "events"} <= {item["name"] for item in claimed["operation"]}
