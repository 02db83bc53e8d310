"""Takes in a Subscription: what it asks for is read once and refused where it cannot be kept.

R4 section 2.46 (a search of one's own) and HL7 FHIR Subscriptions R5 Backport 1.1.0 (topics). Headers hold secrets, so
they are sealed beside the resource and never shown. Whose it is stands in a tag, by which a client finds its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fhirplan.access.actor import Actor
from fhirplan.access.decide import OWN
from fhirplan.catalog import CATALOG, TOPICS
from fhirplan.errors import FhirplanError, InvalidResource, Issue
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import span
from fhirplan.fhir.subscription_status import EXTENSION
from fhirplan.interactions.services import Services
from fhirplan.interactions.subscription_owner import owner
from fhirplan.interactions.values import Interaction
from fhirplan.search.conditions import criterion
from fhirplan.search.context import Context
from fhirplan.search.definitions import RESULTS, SPECIAL
from fhirplan.settings import LOOPBACK_HOSTS
from fhirplan.store import subscribers
from fhirplan.store.access.sealing import sealer
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.subscribers import Content, Subscriber

TYPE: Final = "Subscription"
NEVER: Final = 2**62
_MEDIA: Final = frozenset({"application/fhir+json"})
_CONTENTS: Final[tuple[Content, ...]] = ("empty", "id-only", "full-resource")
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}: ?[\x20-\x7e]{1,4000}")
# What makes up the request itself is not for a subscriber to say (RFC 9110 section 7.6.1).
_OURS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "trailer", "expect"}
)
# Asked of one resource alone: no chain, no other resources, no words, no code systems.
_PLAIN: Final = re.compile(
    r"[A-Za-z_][A-Za-z0-9\-]{0,63}(?::(?:not|missing|exact|contains|identifier|[A-Z][A-Za-z]+))?"
)
_MOST_FILTERS: Final = 20
# Events that one notification holds where its subscriber does not say how many it may.
_TOGETHER: Final = 20


def subscribed(services: Services, tx: Transaction, interaction: Interaction, change: Change) -> Change:
    """The change to a Subscription as it is to be stored, its subscriber being kept or forgotten with it.

    Raises InvalidResource saying what cannot be kept, also where the client has too many, and NotPermitted for a token
    of somebody else's.
    """
    if change.type != TYPE or interaction.imported:
        return change
    if change.resource is None:
        subscribers.remove(tx, interaction.connection, change.id)
        return change
    asked = _Asked(services, interaction, change.resource)
    known = subscribers.get(tx, interaction.connection, change.id)
    wanted = replace(asked.subscriber(change.id), headers=asked.headers(known))
    state = change.resource.get("status")
    if known is not None and state == known.state and _same(wanted, known):
        wanted = known
    elif state not in ("requested", "off"):
        raise _refused(
            "status",
            "A client sets the status requested or off, and this server the others. Send requested to have it start.",
        )
    elif known is None or known.state == "off":
        _few(services, tx, wanted)
    if wanted is not known:
        counted = known if known is not None and known.owner == wanted.owner else wanted
        subscribers.put(tx, replace(wanted, events=counted.events, sent=counted.events))
    return replace(change, resource=_shown(change.resource, interaction.actor), rows=None)


def _same(one: Subscriber, other: Subscriber) -> bool:
    """Whether two ask for the same."""
    moving = {name: getattr(other, name) for name in ("state", "events", "sent", "due", "told", "attempts")}
    return replace(one, **moving) == other


def _few(services: Services, tx: Transaction, wanted: Subscriber) -> None:
    most = services.settings.subscriptions_per_client
    if subscribers.count_of(tx, wanted.connection, wanted.owner) >= most:
        raise _refused(
            "status",
            f"This client has {most} subscriptions that are not off (subscriptions_per_client). Delete one first.",
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A Subscription resource, valid by R4, as its parts are asked for."""

    services: Services
    interaction: Interaction
    resource: Resource

    def subscriber(self, id_: str) -> Subscriber:
        """What is asked for, as if nothing had been told yet."""
        channel = self.resource["channel"]
        if channel.get("type") != "rest-hook":
            raise _refused("channel.type", "Notifications go by rest-hook only. Set channel.type to rest-hook.")
        if any(url == EXTENSION + "backport-channel-type" for url, _ in _extensions(channel.get("_type"))):
            raise _refused("channel.type", "No other channel than rest-hook is served.")
        criteria = str(self.resource["criteria"])
        is_topic = criteria.startswith(("http://", "https://", "urn:"))
        type_, filters = self._topic(criteria) if is_topic else self._search(criteria)
        media = str(channel.get("payload") or "")
        if media and media not in _MEDIA:
            raise _refused("channel.payload", f"A payload of {media[:60]!r} is not sent; application/fhir+json is.")
        now, settings = self.services.clock(), self.services.settings
        return Subscriber(
            connection=self.interaction.connection,
            id=id_,
            type=type_,
            topic=criteria.partition("|")[0] if is_topic else "",
            filters=json.dumps(filters),
            endpoint=self._endpoint(str(channel.get("endpoint") or "")),
            headers=b"",
            media="application/fhir+json" if is_topic else media,
            content=_content(channel) if is_topic else "",
            heartbeat=_seconds(channel, "backport-heartbeat-period", 86_400),
            timeout=_seconds(channel, "backport-timeout", int(settings.subscription_seconds)),
            most=_seconds(channel, "backport-max-count", settings.max_bundle_entries) or (_TOGETHER if is_topic else 1),
            ends=self._ends(),
            owner=owner(self.services, self.interaction.actor),
            state="requested" if self.resource.get("status") != "off" else "off",
            events=0,
            sent=0,
            due=now,
            told=now,
            attempts=0,
        )

    def headers(self, known: Subscriber | None) -> bytes:
        """The headers, sealed; those that are kept already where none are given for the same endpoint."""
        given = self.resource["channel"].get("header")
        if not given:
            kept = known is not None and known.endpoint == self.resource["channel"].get("endpoint")
            return known.headers if known is not None and kept else b""
        for index, line in enumerate(given):
            name = str(line).partition(":")[0].lower()
            if not _HEADER.fullmatch(str(line)) or name in _OURS:
                raise _refused(
                    f"channel.header[{index}]",
                    "A header is a name, a colon and a text without line breaks, such as Authorization: Bearer x; "
                    f"none of {', '.join(sorted(_OURS))}.",
                )
        return sealer(self.services.settings).seal(json.dumps([str(line) for line in given]).encode())

    def _topic(self, criteria: str) -> tuple[str, list[list[str]]]:
        type_ = TOPICS.get(criteria.partition("|")[0])
        if type_ is None:
            raise _refused("criteria", f"There is no topic {criteria[:120]!r}. There are: {', '.join(TOPICS)}.")
        filters: list[list[str]] = []
        for url, value in _extensions(self.resource.get("_criteria")):
            if url == EXTENSION + "backport-filter-criteria":
                filters += self._conditions(type_, str(value))
        return type_, filters

    def _search(self, criteria: str) -> tuple[str, list[list[str]]]:
        type_ = criteria.partition("?")[0]
        if type_ not in TOPICS.values():
            raise _refused(
                "criteria",
                f"The criteria begin with {type_[:60]!r}. They are a search such as Task?status=requested, of one of "
                f"{', '.join(sorted(TOPICS.values()))}; or the url of a topic.",
            )
        return type_, self._conditions(type_, criteria)

    def _conditions(self, type_: str, text: str) -> list[list[str]]:
        """``Type?name=value&…`` or ``name=value``, each condition checked."""
        head, mark, query = text.partition("?")
        if mark and head != type_:
            raise _refused("criteria", f"The filter is about {head[:60]!r} and the topic about {type_}.")
        pairs = parse_qsl(query if mark else "" if text == type_ else text, keep_blank_values=True)
        if len(pairs) > _MOST_FILTERS:
            raise _refused("criteria", f"There are {len(pairs)} conditions; at most {_MOST_FILTERS} are taken.")
        if not pairs and (query if mark else text != type_):
            raise _refused("criteria", f"{text[:80]!r} is no condition. Write it as name=value.")
        known = {item.code: item for item in CATALOG[type_].parameters}
        context = Context(CATALOG, base=self.interaction.base)
        for name, value in pairs:
            if not _PLAIN.fullmatch(name) or name in (*SPECIAL, *RESULTS):
                raise _refused(
                    "criteria",
                    f"{name[:80]!r} cannot be told from the resource alone, as a subscription has to; chains, _has, "
                    "_filter and code systems are for searches.",
                )
            try:
                criterion(context, type_, known, name, value)
            except FhirplanError as error:
                raise _refused("criteria", error.text) from None
        return [[name, value] for name, value in pairs]

    def _endpoint(self, text: str) -> str:
        parts = urlsplit(text)
        host, settings = parts.hostname or "", self.services.settings
        ours = (urlsplit(settings.base_url).hostname or "") in LOOPBACK_HOSTS
        near = ours and host in LOOPBACK_HOSTS
        if not host or parts.username or parts.fragment or not (parts.scheme == "https" or near):
            raise _refused("channel.endpoint", "The endpoint is an https address with neither password nor fragment.")
        allowed = settings.subscription_hosts
        if allowed and host not in allowed:
            raise _refused("channel.endpoint", "Notifications are not sent to this host (subscription_hosts).")
        return text

    def _ends(self) -> int:
        text = self.resource.get("end")
        if text is None:
            return NEVER
        found = span(str(text))
        if found is None or found.low <= self.services.clock():
            raise _refused("end", f"The end, {str(text)[:40]}, is over already. Give a moment to come, or none.")
        return found.low


def _content(channel: Resource) -> Content:
    found = [value for url, value in _extensions(channel.get("_payload")) if url == EXTENSION + _PAYLOAD_CONTENT]
    if len(found) != 1 or found[0] not in _CONTENTS:
        raise _refused(
            "channel.payload",
            f"A subscription to a topic says in the extension {_PAYLOAD_CONTENT} how much is sent: "
            f"{', '.join(_CONTENTS)}.",
        )
    return next(item for item in _CONTENTS if item == found[0])


_PAYLOAD_CONTENT: Final = "backport-payload-content"


def _seconds(channel: Resource, name: str, most: int) -> int:
    """A number that an extension of the channel gives, at most ``most``; 0 for none."""
    found = [value for url, value in _extensions(channel) if url == EXTENSION + name]
    if not found:
        return 0
    number = int(found[0]) if isinstance(found[0], int) and not isinstance(found[0], bool) else 0
    if not 0 < number <= most:
        raise _refused("channel", f"{name} is a whole number from 1 to {most}.")
    return number


def _extensions(element: Any) -> Iterator[tuple[str, Any]]:
    listed = element.get("extension", ()) if isinstance(element, dict) else ()
    for item in listed:
        yield str(item.get("url")), next((value for key, value in item.items() if key.startswith("value")), None)


def _shown(resource: Resource, actor: Actor | None) -> Resource:
    """The resource without its headers, tagged with whose it is."""
    channel = {name: value for name, value in resource["channel"].items() if name not in ("header", "_header")}
    grant = actor.grant if actor is not None else None
    meta = dict(resource.get("meta") or {})
    system = OWN[TYPE]
    tags = [tag for tag in meta.get("tag", ()) if tag.get("system") != system]
    if grant is not None:
        tags.append({"system": system, "code": grant.client})
    meta = {name: value for name, value in meta.items() if name != "tag"} | ({"tag": tags} if tags else {})
    shown = {**resource, "channel": channel}
    shown.pop("error", None)
    return {**shown, "meta": meta} if meta else {name: value for name, value in shown.items() if name != "meta"}


def _refused(element: str, text: str) -> InvalidResource:
    return InvalidResource([Issue("error", "not-supported", text, f"{TYPE}.{element}")])
