"""Makes of an event of a subscription what is told of it: how much of the version that it is about."""

from __future__ import annotations

from fhirplan.fhir.dates import instant
from fhirplan.fhir.subscription_status import Told
from fhirplan.store.subscribers import Content, Event
from fhirplan.store.versions import Version


def told(event: Event, version: Version, content: Content) -> Told:
    """The event with as much of its version as ``content`` says; "" is for a search of one's own: all of it."""
    method, status = (
        ("DELETE", "204") if version.deleted else ("POST", "201") if version.version == 1 else ("PUT", "200")
    )
    if content == "empty":
        return Told(event.number, instant(event.at), method=method, status=status)
    whole = content in ("", "full-resource") and not version.deleted
    resource = version.resource() if whole else None
    return Told(event.number, instant(event.at), f"{event.type}/{event.id}", resource, method, status)
