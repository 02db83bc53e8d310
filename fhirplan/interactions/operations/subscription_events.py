"""Says how subscriptions stand ($status) and what they were told ($events): HL7 Subscriptions R5 Backport 1.1.0."""

from __future__ import annotations

from typing import Final

from fhirplan.errors import MalformedRequest
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant
from fhirplan.fhir.subscription_status import Told, notification, status_parameters
from fhirplan.interactions.operations.everything import live
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.subscription_owner import sees
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import subscribers, versions
from fhirplan.store.engine import Transaction
from fhirplan.store.subscribers import Content, Event, Subscriber
from fhirplan.store.telling import told
from fhirplan.store.versions import Version

_CONTENTS: Final = ("empty", "id-only", "full-resource")
_RANK: Final = {name: rank for rank, name in enumerate(_CONTENTS)}


def subscription_status(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a searchset of Parameters, one for each subscription that the caller may see.

    At the type, ``id`` and ``status`` (each one of several, or repeated) say which. Raises NotFound, Gone.
    """
    given = inputs(services, interaction)
    wanted = {
        name: {part for key, text in given if key == name for part in text.split(",")} for name in ("id", "status")
    }
    if interaction.id:
        live(services, tx, interaction)
        wanted["id"] = {interaction.id}
    eyes = sight(services, tx, interaction, "r")
    found = []
    for one in subscribers.listed(tx, interaction.connection):
        stored = versions.current(tx, interaction.connection, "Subscription", one.id)
        chosen = (not wanted["id"] or one.id in wanted["id"]) and (
            not wanted["status"] or one.state in wanted["status"]
        )
        if chosen and stored is not None and not stored.deleted and (eyes is None or eyes.sees(stored)):
            told = status_parameters(interaction.base, one.id, one.topic, one.state, "query-status", one.events)
            found.append(("Subscription", f"{one.id}/$status", dumps(told)))
    own = f"{interaction.base}/Subscription{f'/{interaction.id}' if interaction.id else ''}/$status"
    return Reply(200, searchset(interaction.base, found, [("self", own)], len(found)))


def subscription_events(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with the events of one subscription as a notification would hold them, from a number to a number.

    ``content`` may ask for less than the subscription gets, not for more, and what the caller may not read is left
    out. Raises NotFound, Gone, MalformedRequest.
    """
    given = dict(inputs(services, interaction))
    live(services, tx, interaction)
    one = subscribers.get(tx, interaction.connection, interaction.id)
    listed: list[Told] = []
    topic, state, count = "", "off", 0
    if one is not None:
        topic, state, count = one.topic, one.state, one.events
        first, last = (_number(given, "eventsSinceNumber", 1), _number(given, "eventsUntilNumber", one.events))
        content = _content(given, one)
        most = services.settings.max_count
        eyes = sight(services, tx, interaction, "r")
        for event in subscribers.events(tx, interaction.connection, one.id, first, last, most):
            version = _shown(services, tx, interaction, one, event, eyes)
            if version is not None:
                listed.append(told(event, version, content))
    said = status_parameters(interaction.base, interaction.id, topic, state, "query-event", count, listed)
    now = instant(services.clock())
    return Reply(200, dumps(notification(interaction.base, services.new_id(), now, said, interaction.id, listed)))


def _shown(
    services: Services, tx: Transaction, interaction: Interaction, one: Subscriber, event: Event, eyes: Sight | None
) -> Version | None:
    """The version of an event that its subscriber may know of, and the caller too, whose token may open less."""
    version = versions.at(tx, interaction.connection, event.type, event.id, event.version)
    if version is None or not sees(services, tx, interaction.connection, one.owner, version):
        return None
    return version if eyes is None or (eyes.saw(version) and eyes.sees(version)) else None


def _content(given: dict[str, str], one: Subscriber) -> Content:
    own: Content = one.content or ("full-resource" if one.media else "empty")
    text = given.get("content", own)
    if text not in _CONTENTS:
        raise MalformedRequest(f"content is one of {', '.join(_CONTENTS)}.", expression="http.content")
    wanted = next(item for item in _CONTENTS if item == text)
    return wanted if _RANK[wanted] <= _RANK[own] else own


def _number(given: dict[str, str], name: str, usual: int) -> int:
    text = given.get(name)
    if text is None:
        return usual
    if not text.isdecimal() or len(text) > 15:
        raise MalformedRequest(f"{name} is {text[:20]!r}; it is the number of an event.", expression=f"http.{name}")
    return int(text)
