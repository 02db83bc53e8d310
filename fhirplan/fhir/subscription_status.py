"""Builds what a subscriber is sent: notification Bundles and status Parameters of the Subscriptions R5 Backport on R4.

HL7 FHIR Subscriptions R5 Backport 1.1.0, section "R4 subscription notifications" and profile
backport-subscription-status-r4: in R4 the numbers are strings, since R4 has no integer64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirplan.fhir.codec import Resource

EXTENSION: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
STATUS_PROFILE: Final = EXTENSION + "backport-subscription-status-r4"
Occasion = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its number, when it was (instant), and what it is about as type/id.

    ``resource`` is what the focus then was; None where it is not sent, as it was deleted or must not be shown.
    ``method`` and ``status`` are of the HTTP request that it stands for.
    """

    number: int
    at: str
    focus: str = ""
    resource: Resource | None = None
    method: str = "PUT"
    status: str = "200"


def status_parameters(
    base: str, subscription: str, topic: str, state: str, occasion: Occasion, count: int, events: Sequence[Told] = ()
) -> Resource:
    """The Parameters that say how a subscription (its id) stands; ``topic`` is left out where it is ""."""
    listed: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{subscription}"}}
    ]
    if topic:
        listed.append({"name": "topic", "valueCanonical": topic})
    listed += [
        {"name": "status", "valueCode": state},
        {"name": "type", "valueCode": occasion},
        {"name": "events-since-subscription-start", "valueString": str(count)},
    ]
    listed += [_event(base, item) for item in events]
    return {"resourceType": "Parameters", "meta": {"profile": [STATUS_PROFILE]}, "parameter": listed}


def _event(base: str, item: Told) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": str(item.number)},
        {"name": "timestamp", "valueInstant": item.at},
    ]
    if item.focus:
        parts.append({"name": "focus", "valueReference": {"reference": f"{base}/{item.focus}"}})
    return {"name": "notification-event", "part": parts}


def notification(
    base: str, id: str, timestamp: str, status: Resource, subscription: str, told: Sequence[Told]
) -> Resource:
    """The history Bundle that is sent: the status first, then an entry for each focus that may be named."""
    first = {
        "fullUrl": f"urn:uuid:{id}",
        "resource": status,
        "request": {"method": "GET", "url": f"{base}/Subscription/{subscription}/$status"},
        "response": {"status": "200"},
    }
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [EXTENSION + "backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": timestamp,
        "entry": [first, *(_entry(base, item) for item in told if item.focus)],
    }


def _entry(base: str, item: Told) -> dict[str, Any]:
    type_ = item.focus.partition("/")[0]
    url = type_ if item.method == "POST" else item.focus
    entry = {
        "fullUrl": f"{base}/{item.focus}",
        "request": {"method": item.method, "url": url},
        "response": {"status": item.status},
    }
    return entry if item.resource is None else {**entry, "resource": item.resource}
