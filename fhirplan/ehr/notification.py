"""Reads what an EHR sends when something changed there: R4 rest-hook, and R5 subscriptions backported to R4. Pure.

Nothing in it is believed but that something may have changed: what it names is fetched from the EHR afterwards.

    empty body                              something changed (R4 section 2.46, Subscription.channel.payload absent)
    a resource                              that resource changed (R4, with payload)
    Bundle, entry[0] Parameters             Subscriptions R5 Backport 1.1, "Notifications"
    Bundle, entry[0] SubscriptionStatus     the same in R4B and R5
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirplan.errors import FhirplanError
from fhirplan.fhir import codec, reference

Kind = Literal["handshake", "heartbeat", "event", "change", "other"]
MOST_NAMED: Final = 200
"""Resources that one notification is taken to name; with more, everything that changed is asked for."""
_KINDS: Final[dict[str, Kind]] = {
    "handshake": "handshake",
    "heartbeat": "heartbeat",
    "event-notification": "event",
}
_NAMES: Final = ("subscription", "status", "type")
_SINCE_START: Final = ("events-since-subscription-start", "eventsSinceSubscriptionStart")


@dataclass(frozen=True, slots=True)
class Notification:
    """What was sent. ``named`` are (type, id) in the EHR; ``events`` the numbers of the events it carries.

    ``count`` is how many events there have been since the subscription began, as far as it tells. ``complete`` says
    whether all that it tells of is in ``named``; else everything that changed has to be asked for.
    """

    kind: Kind
    subscription: str = ""
    named: tuple[tuple[str, str], ...] = ()
    events: tuple[int, ...] = ()
    count: int | None = None
    failing: bool = False
    complete: bool = False


SOMETHING: Final = Notification("change")


def read(body: bytes, path: str = "") -> Notification:
    """What a notification says; ``path`` is what stands after its address, as ``Goal/7`` of a PUT with payload.

    What cannot be read still says that something changed, so nothing is raised.
    """
    at = reference.parse(path) if path else None
    named = ((at.type, at.id),) if at is not None and not at.server else ()
    if not body.strip():
        return Notification("change", named=named, complete=bool(named))
    try:
        said = codec.loads(body)
    except FhirplanError:
        return Notification("change", named=named, complete=bool(named))
    if not isinstance(said, dict):
        return SOMETHING
    if said.get("resourceType") == "Bundle":
        return _of_bundle(said)
    own = _of_reference({"reference": f"{said.get('resourceType')}/{said.get('id')}"})
    if own is not None:
        return Notification("change", named=(own,), complete=True)
    return Notification("change", named=named, complete=bool(named))


def _of_bundle(bundle: dict[str, Any]) -> Notification:
    entries = [item for item in _list(bundle.get("entry")) if isinstance(item, dict)]
    first = entries[0].get("resource") if entries else None
    status = _status(first) if isinstance(first, dict) else None
    if status is None:
        named = tuple(dict.fromkeys(_of_entries(entries)))
        return Notification("change", named=named[:MOST_NAMED], complete=bool(named) and len(named) <= MOST_NAMED)
    kind = _KINDS.get(str(status.get("type")), "other")
    told = _list(status.get("events"))
    foci = [_of_reference(item.get("focus")) for item in told]
    named = tuple(dict.fromkeys([*(item for item in foci if item), *_of_entries(entries[1:])]))
    numbers = tuple(found for item in told if (found := _number(item.get("number"))) is not None)
    return Notification(
        kind,
        subscription=str(status.get("subscription") or "")[:200],
        named=named[:MOST_NAMED],
        events=numbers,
        count=_number(status.get("count")),
        failing=status.get("status") == "error",
        complete=kind == "event" and bool(told) and all(foci) and len(named) <= MOST_NAMED,
    )


def _status(first: dict[str, Any]) -> dict[str, Any] | None:
    """The status of a subscription, from either form; None for any other resource."""
    if first.get("resourceType") == "SubscriptionStatus":
        told = [
            {"number": item.get("eventNumber"), "focus": item.get("focus")}
            for item in _list(first.get("notificationEvent"))
            if isinstance(item, dict)
        ]
        named = _value(first.get("subscription"))
        count = first.get("eventsSinceSubscriptionStart")
        return {
            "type": first.get("type"),
            "status": first.get("status"),
            "subscription": named,
            "count": count,
            "events": told,
        }
    if first.get("resourceType") != "Parameters":
        return None
    made: dict[str, Any] = {"events": []}
    for item in _parts(first.get("parameter")):
        name = item.get("name")
        if name in _NAMES:
            made[str(name)] = _value(_any_value(item))
        elif name in _SINCE_START:
            made["count"] = _any_value(item)
        elif name == "notification-event":
            parts = {str(part.get("name")): _any_value(part) for part in _parts(item.get("part"))}
            made["events"].append({"number": parts.get("event-number"), "focus": parts.get("focus")})
    return made if "type" in made else None


def _of_entries(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What a Bundle's entries name, by resource, request or fullUrl."""
    for entry in entries:
        resource = entry.get("resource")
        if isinstance(resource, dict):
            resource = _of_reference({"reference": f"{resource.get('resourceType')}/{resource.get('id')}"})
        if resource:
            yield resource
            continue
        request = entry.get("request")
        url = request.get("url") if isinstance(request, dict) else None
        found = _of_reference({"reference": url}) or _of_reference({"reference": entry.get("fullUrl")})
        if found:
            yield found


def _of_reference(element: Any) -> tuple[str, str] | None:
    """The type and id a reference names. Its server is not looked at: it is the EHR we ask that counts."""
    text = element.get("reference") if isinstance(element, dict) else None
    found = reference.parse(text) if isinstance(text, str) else None
    return (found.type, found.id) if found is not None else None


def _any_value(part: dict[str, Any]) -> Any:
    return next((value for key, value in part.items() if key.startswith("value")), None)


def _value(value: Any) -> Any:
    return value.get("reference") if isinstance(value, dict) else value


def _number(value: Any) -> int | None:
    """A number that may be spelled as a string, as the backport does; None for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _parts(value: Any) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
