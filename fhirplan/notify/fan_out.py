"""Finds out whom each change concerns, and gives every one of them an event with the next number."""

from __future__ import annotations

import json
from typing import Final

from fhirplan.catalog import CATALOG
from fhirplan.errors import FhirplanError
from fhirplan.fhir.codec import Resource
from fhirplan.notify.notifying import Notifying
from fhirplan.search.conditions import criterion
from fhirplan.search.context import Context
from fhirplan.search.match import fulfils_alone
from fhirplan.store import subscribers, versions
from fhirplan.store.engine import Transaction
from fhirplan.store.subscribers import Noted, Subscriber
from fhirplan.store.versions import Version

_AT_ONCE: Final = 200


def fan_out(to: Notifying) -> int:
    """Looks at the changes that were not looked at yet, some at a time; gives how many those were."""
    with to.database.write() as tx:
        tx.alone(f"notify {to.connection}")
        changes = subscribers.noted(tx, to.connection, _AT_ONCE)
        concerned: dict[str, tuple[Subscriber, list[Noted]]] = {}
        watching: dict[str, list[Subscriber]] = {}
        for change in changes:
            if change.type not in watching:
                watching[change.type] = subscribers.watching(tx, to.connection, change.type)
            for one in _concerned(to, tx, change, watching[change.type]):
                concerned.setdefault(one.id, (one, []))[1].append(change)
        for one, its in concerned.values():
            subscribers.add(tx, one, its)
        subscribers.looked_at(tx, changes)
    return len(changes)


def _concerned(to: Notifying, tx: Transaction, change: Noted, watching: list[Subscriber]) -> list[Subscriber]:
    version = versions.at(tx, to.connection, change.type, change.id, change.version)
    if version is None or not watching:
        return []
    resource = _told(tx, version)
    if resource is None:
        return []
    return [
        one
        for one in watching
        # A search of one's own finds what is there, so it never finds a deletion.
        if (one.topic or not version.deleted) and fulfils(one, resource, to.base) and to.sees(tx, one.owner, version)
    ]


def _told(tx: Transaction, version: Version) -> Resource | None:
    """What a version is judged by: itself, of a deletion what was there before."""
    if not version.deleted:
        return version.resource()
    last = versions.last_live(tx, version.rid, version.version)
    return last.resource() if last is not None else None


def fulfils(one: Subscriber, resource: Resource, base: str) -> bool:
    """Whether a resource, on its own, is what a subscriber asked for; an unknown condition is not met."""
    spec = CATALOG[one.type]
    known = {item.code: item for item in spec.parameters}
    context = Context(CATALOG, base=base)
    try:
        asked = [criterion(context, one.type, known, name, value) for name, value in json.loads(one.filters)]
    except FhirplanError:
        return False
    return all(fulfils_alone(resource, item, spec.parameters, base) for item in asked)
