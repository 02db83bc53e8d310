"""What an EHR's notices say, in each form in which they come, and in none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhirplan.ehr.notification import MOST_NAMED, Notification, read


def backport(kind: str, *, count: int = 0, events: list[tuple[int, str]] | None = None, **more: Any) -> dict[str, Any]:
    """A notification Bundle of the R5 Backport to R4 (1.1, section 2.3)."""
    told = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": str(number)},
                {"name": "timestamp", "valueInstant": "2026-11-01T00:00:00Z"},
                *([{"name": "focus", "valueReference": {"reference": focus}}] if focus else []),
            ],
        }
        for number, focus in events or []
    ]
    parameters = [
        {"name": "subscription", "valueReference": {"reference": "https://ehr.example/fhir/Subscription/7"}},
        {"name": "topic", "valueCanonical": "http://example.org/topic"},
        {"name": "status", "valueCode": more.get("status", "active")},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(count)},
        *told,
    ]
    entries = [{"resource": {"resourceType": "Parameters", "parameter": parameters}}, *more.get("entries", [])]
    return {"resourceType": "Bundle", "type": "history", "entry": entries}


def of(value: Any) -> Notification:
    return read(json.dumps(value).encode())


def test_an_empty_body_says_that_something_changed() -> None:
    assert read(b"") == Notification("change")


def test_an_address_names_what_changed() -> None:
    assert read(b"", "Goal/7") == Notification("change", named=(("Goal", "7"),), complete=True)


def test_a_resource_names_itself() -> None:
    assert of({"resourceType": "Goal", "id": "7", "description": {"text": "x"}}).named == (("Goal", "7"),)


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_handshake_and_heartbeat_name_nothing(kind: str) -> None:
    said = of(backport(kind, count=3))
    assert (said.kind, said.named, said.count) == (kind, (), 3)
    assert said.subscription == "https://ehr.example/fhir/Subscription/7"


def test_events_have_numbers_and_foci() -> None:
    said = of(backport("event-notification", count=5, events=[(4, "Goal/7"), (5, "https://ehr.example/fhir/Task/9")]))
    assert (said.kind, said.events, said.complete) == ("event", (4, 5), True)
    assert said.named == (("Goal", "7"), ("Task", "9"))


def test_an_event_without_focus_names_nothing_and_is_not_complete() -> None:
    said = of(backport("event-notification", count=1, events=[(1, "")]))
    assert (said.named, said.complete) == ((), False)


def test_the_status_of_r4b_and_r5_is_read_too() -> None:
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "status": "error",
        "eventsSinceSubscriptionStart": 2,
        "subscription": {"reference": "Subscription/7"},
        "notificationEvent": [{"eventNumber": "2", "focus": {"reference": "CarePlan/1"}}],
    }
    said = of({"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]})
    assert (said.named, said.events, said.count, said.failing) == ((("CarePlan", "1"),), (2,), 2, True)


def test_a_bundle_of_resources_names_them() -> None:
    entries = [{"resource": {"resourceType": "Goal", "id": "7"}}, {"request": {"method": "GET", "url": "Task/8"}}]
    assert of({"resourceType": "Bundle", "entry": entries}).named == (("Goal", "7"), ("Task", "8"))


def test_too_many_named_are_not_complete() -> None:
    events = [(number, f"Goal/{number}") for number in range(1, MOST_NAMED + 2)]
    said = of(backport("event-notification", count=len(events), events=events))
    assert len(said.named) == MOST_NAMED
    assert not said.complete


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"null", b'{"resourceType": "Goal", "id": "../etc"}', b'{"resourceType": 3, "id": "x"}', b"{"],
)
def test_what_cannot_be_read_says_that_something_changed(body: bytes) -> None:
    assert read(body) == Notification("change")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "parameter", "name", "type", "part", "id", "valueString"]
            ),
            inner | st.sampled_from(["Bundle", "Parameters", "SubscriptionStatus", "notification-event", "type"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.text(max_size=20))
@example({"resourceType": "", "id": "Bundle"}, "")
@example({"resourceType": "Goal/7/Task", "id": "1"}, "")
def test_nothing_breaks_it_and_only_ids_come_out(value: Any, path: str) -> None:
    said = read(json.dumps(value).encode(), path)
    assert all(name.isalnum() and 0 < len(id_) <= 64 for name, id_ in said.named)
