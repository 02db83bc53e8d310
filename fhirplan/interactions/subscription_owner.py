"""Remembers who made a subscription, and says later what they may see then and whether they may still see anything."""

from __future__ import annotations

import json
from typing import Final

from fhirplan.access import scopes
from fhirplan.access.actor import Actor, Grant, of_grant
from fhirplan.errors import NotPermitted
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import Sight
from fhirplan.store.access import clients, grants
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

_KEPT: Final = ("client", "issuer", "subject", "user", "patient", "encounter", "user_patient")


def owner(services: Services, actor: Actor | None) -> str:
    """What a subscription is checked by whenever something is sent, as JSON; "" where nothing limits who made it.

    Raises NotPermitted for a grant of another authorization server, which could not be asked whether it still stands.
    """
    if services.settings.auth == "open" or actor is None or actor.grant is None:
        return ""
    grant = actor.grant
    if grant.issuer != f"{services.settings.base_url.rstrip('/')}/auth":
        raise NotPermitted("Only clients that are registered at this server subscribe; take a token from its /auth.")
    # The grant of a program ends with its token; what stands on is its registration.
    lasting = grant.id if grant.user else ""
    return json.dumps(
        {**{name: getattr(grant, name) for name in _KEPT}, "id": lasting, "scopes": grant.scopes.text()},
        sort_keys=True,
    )


def actor_of(text: str) -> Actor | None:
    """The actor that ``owner`` wrote down; None where nothing limits them."""
    if not text:
        return None
    known = json.loads(text)
    return of_grant(Grant(**{**known, "scopes": scopes.parse(known["scopes"])}))


def sees(services: Services, tx: Transaction, connection: str, text: str, version: Version) -> bool:
    """Whether an owner may read a version now, as it was and as its resource is now."""
    actor = actor_of(text)
    if actor is None:
        return True
    eyes = Sight(services, tx, connection, fhir_base(services.settings, connection), actor, "r")
    return eyes.saw(version) and eyes.sees(version)


def stands(services: Services, tx: Transaction, text: str) -> bool:
    """Whether an owner's client is still registered and not disabled, with a person's grant that was not revoked."""
    actor = actor_of(text)
    if actor is None or actor.grant is None:
        return services.settings.auth == "open"
    if actor.grant.id and not grants.live(tx, actor.grant.id, services.clock()):
        return False
    client = clients.get(tx, actor.grant.client)
    return client is not None and not client.disabled
