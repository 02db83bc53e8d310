"""Tells consents who a reader is: the person, their organizations, the client, and any emergency they declared."""

from __future__ import annotations

from collections.abc import Iterator

from fhirplan.access.actor import Actor, Grant
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import parse
from fhirplan.interactions.services import Services
from fhirplan.settings import Settings
from fhirplan.store import versions
from fhirplan.store.access import consents, emergencies
from fhirplan.store.access.recipients import labels
from fhirplan.store.access.withheld import Reader, Withheld
from fhirplan.store.engine import Transaction
from fhirplan.store.search.compartment import members

_MOST_ROLES = 100


def withheld(services: Services, tx: Transaction, connection: str, actor: Actor) -> Withheld:
    """What consents and labels withhold from an actor now."""
    now = services.clock()
    grant = actor.grant
    if grant is None:
        return Withheld(tx, connection, Reader(trusted=True), now)
    settings = services.settings
    names = frozenset(_names(tx, connection, settings, grant))
    scopes = grant.scopes
    only = grant.patient if not scopes.has_level("user") and not scopes.has_level("system") else ""
    reader = Reader(
        names=names,
        own=grant.user_patient if grant.user.startswith("Patient/") else "",
        trusted=not names.isdisjoint(settings.guarded_readers),
        guarded=labels(settings),
        emergencies=emergencies.of(tx, connection, grant.user, now) if grant.user else frozenset(),
        only=only,
    )
    return Withheld(tx, connection, reader, now)


def _names(tx: Transaction, connection: str, settings: Settings, grant: Grant) -> Iterator[str]:
    yield f"client {grant.client}"
    for line in settings.client_organizations:
        client, _, organization = line.partition("=")
        if client.strip() == grant.client:
            yield organization.strip()
    if not grant.user:
        return
    yield grant.user
    named = {name for rule in consents.of_connection(tx, connection) for name in rule.actors}
    named |= set(settings.guarded_readers)
    if any(name.startswith("Organization/") for name in named):
        yield from _organizations(tx, connection, grant.user)


def _organizations(tx: Transaction, connection: str, user: str) -> Iterator[str]:
    """The organizations that a person works for now, by their roles, or the one of the role they act in."""
    type_, _, id_ = user.partition("/")
    if type_ == "PractitionerRole":
        found = versions.current(tx, connection, type_, id_)
        roles = [found] if found is not None and not found.deleted else []
    elif type_ == "Practitioner":
        roles = members(tx, connection, "PractitionerRole", ["practitioner"], (type_, id_), count=_MOST_ROLES)
    else:
        roles = []
    for role in roles:
        yield from _organization(role.resource())


def _organization(role: Resource) -> Iterator[str]:
    element = role.get("organization")
    found = parse(element.get("reference")) if isinstance(element, dict) else None
    if found is not None and not found.server and role.get("active") is not False:
        yield found.local
