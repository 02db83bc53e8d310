"""Explains one request: who is calling, what their scopes say of it, and what consents and labels withhold."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from fhirplan.access.actor import Actor
from fhirplan.access.decide import NEEDS, PUBLIC, decide
from fhirplan.errors import FhirplanError, NotFound
from fhirplan.interactions.address import Address, address
from fhirplan.interactions.authenticate import authenticate
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction
from fhirplan.search import wording
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import current


def access_explained(services: Services, authorization: str, method: str, url: str) -> Iterator[str]:
    """Line by line, for an operator: it also tells of what the caller may not know.

    ``url`` is whole or begins with the path of a FHIR base. Raises NotFound for one of none, and what ``address`` does.
    """
    connection, where = _placed(services, method, url)
    yield f"{method} is {where.kind}" + (f" of {where.type}" if where.type else "")
    try:
        actor = authenticate(services, authorization, connection)
    except FhirplanError as error:
        yield f"refused: the token is not accepted. {error.text}"
        return
    if actor is None or actor.grant is None:
        yield "nobody: there is no token"
    else:
        grant = actor.grant
        yield f"client {grant.client}; person {grant.user or 'none known'}; patient {grant.patient or 'none'}"
        yield f"scopes: {grant.scopes.text() or 'none'}"
        yield from (f"not understood, grants nothing: {item}" for item in grant.scopes.refused)
    try:
        decide(actor, where.kind, where.type, services.settings.auth)
    except FhirplanError as error:
        yield f"refused: {error.text}"
        return
    yield "allowed for the type"
    if where.kind not in PUBLIC and where.type and actor is not None and actor.grant is not None:
        asked = Interaction(where.kind, fhir_base(services.settings, connection), connection, where.type, where.id)
        with services.database.read() as tx:
            yield from _limits(services, tx, asked, actor)


def _placed(services: Services, method: str, url: str) -> tuple[str, Address]:
    path = urlsplit(url).path.strip("/")
    for connection in services.settings.all_connections:
        base = urlsplit(fhir_base(services.settings, connection.name)).path.strip("/")
        if path == base or path.startswith(f"{base}/"):
            return connection.name, address(method, path.removeprefix(base).strip("/"))
    raise NotFound(f"{url[:80]} is below no FHIR base of this server, such as /fhir.")


def _limits(services: Services, tx: Transaction, asked: Interaction, actor: Actor) -> Iterator[str]:
    for letter in NEEDS.get(asked.kind, "r"):
        eyes = sight(services, tx, _by(asked, actor), letter)
        if eyes is None:
            continue
        for scope in actor.grant.scopes.covering(asked.type, letter) if actor.grant else ():
            yield f"{letter}: {scope.text} speaks of it"
        for item in eyes.limits(asked.type):
            whose = f"of Patient/{item.patient}" if item.patient else "of anybody"
            yield f"{letter}: {asked.type} {whose}{' with ' + str(dict(item.query)) if item.query else ''}"
        own = eyes.scoped(asked.type)
        yield f"{letter}: by scopes " + ("all" if own is None else wording.criterion(own))
        shown = eyes.withheld(asked.type)
        yield f"{letter}: by consents and labels " + ("all" if shown is None else wording.criterion(shown))
        for rule in eyes.withheld.rules:
            act = "permits" if rule.permits else "forbids"
            yield f"{letter}: {rule.consent} of Patient/{rule.patient} {act} and concerns this reader"
        if asked.id:
            yield from _single(tx, asked, eyes)


def _single(tx: Transaction, asked: Interaction, eyes: Sight) -> Iterator[str]:
    found = current(tx, asked.connection, asked.type, asked.id)
    name = f"{asked.type}/{asked.id}"
    if found is None:
        yield f"{name}: nothing is stored there"
        return
    if eyes.sees(found):
        yield f"{name}: seen"
    elif found.rid > 0 and not found.deleted and not eyes.in_scope(found):
        yield f"{name}: hidden by the limits of the scopes"
    else:
        yield f"{name}: hidden" + ("" if found.deleted else " by a consent or a label")


def _by(asked: Interaction, actor: Actor) -> Interaction:
    return Interaction(asked.kind, asked.base, asked.connection, asked.type, asked.id, actor=actor)
