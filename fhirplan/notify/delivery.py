"""Tells each subscriber what it has not been told yet: in order, at least once, with growing pauses after a failure.

HL7 FHIR Subscriptions R5 Backport 1.1.0 (handshake, heartbeat, event-notification; after an error only the client
starts it again) and R4 section 2.46.3 (rest-hook).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fhirplan.ehr.pinned import Unfetchable
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant
from fhirplan.fhir.subscription_status import Occasion, Told, notification, status_parameters
from fhirplan.notify.notifying import Notifying
from fhirplan.store import subscribers, versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Transaction
from fhirplan.store.subscribers import Event, Subscriber, SubscriberState
from fhirplan.store.telling import told
from fhirplan.telemetry import log

AUTHOR: Final = "subscriptions"
_JSON: Final = "application/fhir+json"
_AT_ONCE: Final = 50
_LEASE: Final = 60_000
_FIRST_PAUSE: Final = 1_000
_LONGEST_PAUSE: Final = 3_600_000
_log = log("notify")


def deliver(to: Notifying) -> int:
    """Sends what is due to whom nobody else sends at the moment; gives how many subscribers that were."""
    now = to.clock()
    with to.database.read() as tx:
        found = subscribers.due(tx, to.connection, now, _AT_ONCE)
    return sum(_served(to, one) for one in found if _wanted(one, now))


def waits(to: Notifying) -> bool:
    """Whether there is a change to be looked at, or something to be sent."""
    now = to.clock()
    with to.database.read() as tx:
        if subscribers.waits(tx, to.connection):
            return True
        return any(_wanted(one, now) for one in subscribers.due(tx, to.connection, now, _AT_ONCE))


def _wanted(one: Subscriber, now: int) -> bool:
    silent = one.heartbeat and now - one.told >= one.heartbeat * 1000
    return bool(one.state == "requested" or one.events > one.sent or silent or one.ends <= now)


def _served(to: Notifying, one: Subscriber) -> bool:
    now = to.clock()
    lease = now + int(to.seconds * 1000) * (one.most or 1) + _LEASE
    with to.database.write() as tx:
        if not subscribers.claim(tx, one, to.worker, now, lease):
            return False
        if one.ends <= now:
            return _settled(to, tx, replace(one, state="off"))
        if not to.stands(tx, one.owner):
            return _settled(to, tx, replace(one, state="error"), "Whoever made it may no longer see anything here.")
        events = subscribers.events(tx, to.connection, one.id, one.sent + 1, one.events, one.most or 1)
        shown = [item for item in (_shown(to, tx, one, event) for event in events) if item is not None]
    try:
        _send(to, one, shown, events)
    except Unfetchable as error:
        return _failed(to, one, error.text)
    with to.database.write() as tx:
        sent = events[-1].number if events and one.state == "active" else one.sent
        return _settled(to, tx, replace(one, state="active", sent=sent, attempts=0, due=now, told=to.clock()))


def _shown(to: Notifying, tx: Transaction, one: Subscriber, event: Event) -> Told | None:
    """An event as its subscriber may know of it at this moment; None where it may no longer."""
    version = versions.at(tx, to.connection, event.type, event.id, event.version)
    if version is None or not to.sees(tx, one.owner, version):
        return None
    return told(event, version, one.content)


def _send(to: Notifying, one: Subscriber, shown: Sequence[Told], events: Sequence[Event]) -> None:
    """Raises Unfetchable where it does not arrive."""
    if not one.topic:
        _send_plain(to, one, shown)
        return
    if one.state == "requested":
        occasion: Occasion = "handshake"
        shown = ()
    elif events:
        occasion = "event-notification"
        if not shown:
            return
    else:
        occasion = "heartbeat"
    state = one.state if one.state == "active" else "requested"
    count = events[-1].number if occasion == "event-notification" else one.events
    status = status_parameters(to.base, one.id, one.topic, state, occasion, count, shown)
    _post(to, one, dumps(notification(to.base, to.new_id(), instant(to.clock()), status, one.id, shown)), _JSON)


def _send_plain(to: Notifying, one: Subscriber, shown: Sequence[Told]) -> None:
    """As R4 has it: an empty POST, or the resource as an update below the endpoint; a search has no handshake."""
    if one.state == "requested" or not shown:
        return
    if not one.media:
        _post(to, one, b"", "")
        return
    for item in shown:
        if item.resource is not None:
            _post(to, one, dumps(item.resource), one.media, f"{one.endpoint.rstrip('/')}/{item.focus}")


def _post(to: Notifying, one: Subscriber, body: bytes, media: str, put_at: str = "") -> None:
    opened = to.sealer.open(one.headers) if one.headers else b"[]"
    if opened is None:
        raise Unfetchable("its headers were sealed with a key that is no longer known")
    lines = (line.partition(":") for line in json.loads(opened))
    headers = {name: text.strip() for name, _, text in lines} | ({"Content-Type": media} if media else {})
    seconds = min(float(one.timeout or to.seconds), to.seconds)
    method, url = ("PUT", put_at) if put_at else ("POST", one.endpoint)
    status = to.send(url, body, headers, seconds=seconds, method="PUT" if method == "PUT" else "POST")
    if not 200 <= status < 300:
        raise Unfetchable(f"it is answered with {status}")


def _failed(to: Notifying, one: Subscriber, why: str) -> bool:
    """Tries again later, or gives up: a handshake that fails, and what was tried often enough, is an error."""
    attempts = one.attempts + 1
    _log.warning("not delivered", connection=to.connection, subscription=one.id, attempts=attempts)
    with to.database.write() as tx:
        if attempts >= to.attempts:
            return _settled(to, tx, replace(one, state="error", attempts=attempts), f"Not delivered: {why}.")
        pause = min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE) * (0.5 + to.chance())
        return _settled(to, tx, replace(one, attempts=attempts, due=to.clock() + int(pause)))


def _settled(to: Notifying, tx: Transaction, one: Subscriber, problem: str = "") -> bool:
    """Keeps how a subscriber stands now, and has its Subscription say so; False where somebody else has it now."""
    if not subscribers.settle(tx, one, to.worker):
        return False
    _say(to, tx, one.id, one.state, problem)
    return True


def _say(to: Notifying, tx: Transaction, id_: str, state: SubscriberState, problem: str) -> None:
    stored = versions.current(tx, to.connection, "Subscription", id_)
    if stored is None or stored.deleted:
        return
    resource = stored.resource()
    if resource.get("status") == state:
        return
    said = {name: value for name, value in resource.items() if name != "error"} | {"status": state}
    if problem:
        said["error"] = problem
    origin = Origin(actor=AUTHOR, request_id="", source="api", push=False, marks=False)
    change = Change("update", "Subscription", id_, said)
    commit(tx, to.connection, [change], now=to.clock(), origin=origin, base=to.base)
