"""Explains one request: who is calling, what their scopes say of it, and what consents and labels withhold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from fhirplan.access.actor import OPERATOR, Actor
from fhirplan.access.decide import NEEDS, PUBLIC, Limit, decide, limits
from fhirplan.catalog import CATALOG, spec
from fhirplan.errors import FhirplanError, MalformedRequest, NotFound
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.address import AUDIT, Address, address
from fhirplan.interactions.authenticate import authenticate
from fhirplan.interactions.bundles.entries import entry, listed
from fhirplan.interactions.bundles.transaction import Read
from fhirplan.interactions.operations import access_judged
from fhirplan.interactions.reading import withheld
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction, Parameters
from fhirplan.search import wording
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts

RECEIPTS: Final = "$receipts"
CONFLICTS: Final = "$conflicts"
# What shows resources that were not named; who it would show them to without limits is compared with the caller.
_SHOWS: Final = frozenset(
    {
        *("search-type", "search-system", "search-compartment"),
        *("history-instance", "history-type", "history-system"),
        *("everything", "plan-everything", "as-of"),
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """The request to explain: ``url`` is whole or begins with the path of a FHIR base; ``body`` is of a Bundle."""

    method: str
    url: str
    authorization: str = ""
    body: bytes = b""


def access_explained(services: Services, request: Request, reads: Mapping[str, Read]) -> Iterator[str]:
    """Line by line, for an operator: it also tells of what the caller may not know. Nothing is written.

    ``reads`` are the interactions that only read. Raises NotFound for a url below no FHIR base, MalformedRequest for a
    body that is no Bundle, and what ``address`` does.
    """
    if request.body:
        _bundle_in(services, request.body)
    connection, path, pairs = _placed(services, request.url)
    try:
        actor = authenticate(services, request.authorization, connection)
    except FhirplanError as error:
        yield f"{request.method} {path}"
        yield f"refused: the token is not accepted. {error.text}"
        return
    yield from _caller(services, connection, actor)
    base = fhir_base(services.settings, connection)
    if path == CONFLICTS or path.startswith(f"{CONFLICTS}/"):
        yield from _conflicts(services, connection, actor, "u" if request.method == "POST" else "r")
        return
    where = _address(request.method, path)
    yield f"{request.method} is {where.kind}" + (f" of {where.type}" if where.type else "")
    asked = Interaction(
        where.kind, base, connection, where.type, where.id, where.version, pairs, body=request.body, actor=actor
    )
    yield from _explained(services, asked, reads)


def _placed(services: Services, url: str) -> tuple[str, str, Parameters]:
    """The connection, the path below its base, and the query."""
    from urllib.parse import parse_qsl

    parts = urlsplit(url)
    path = parts.path.strip("/")
    for connection in services.settings.all_connections:
        base = urlsplit(fhir_base(services.settings, connection.name)).path.strip("/")
        if path == base or path.startswith(f"{base}/"):
            pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
            return connection.name, path.removeprefix(base).strip("/"), pairs
    raise NotFound(f"{url[:80]} is below no FHIR base of this server, such as /fhir.")


def _address(method: str, path: str) -> Address:
    parts = path.split("/")
    if len(parts) == 3 and parts[2] == RECEIPTS:
        # Whoever may read a resource may know what became of its changes.
        return Address("read", spec(parts[0]).type, parts[1])
    return address(method, path)


def _caller(services: Services, connection: str, actor: Actor | None) -> Iterator[str]:
    if actor is None or actor.grant is None:
        yield "nobody: there is no token"
        return
    grant = actor.grant
    unknown = " (it names one who is not known here)" if grant.stranger else ""
    yield f"client {grant.client}; person {grant.user or 'none known'}; patient {grant.patient or 'none'}{unknown}"
    yield f"issued by {grant.issuer}"
    yield f"scopes: {grant.scopes.text() or 'none'}"
    yield from (f"not understood, grants nothing: {item}" for item in grant.scopes.refused)
    with services.database.read() as tx:
        reader = withheld(services, tx, connection, actor).reader
    if reader.trusted:
        yield "trusted with what is guarded (guarded_readers)"
    yield from (f"declared an emergency for Patient/{item}" for item in sorted(reader.emergencies))


def _explained(services: Services, asked: Interaction, reads: Mapping[str, Read]) -> Iterator[str]:
    actor = asked.actor
    try:
        decide(actor, asked.kind, asked.type, services.settings.auth)
    except FhirplanError as error:
        yield f"refused: {error.text}"
        return
    yield "allowed for the type" if asked.type else "allowed, as far as each resource is"
    if asked.kind in PUBLIC or actor is None or actor.grant is None:
        return
    if asked.kind == "bundle":
        yield from _entries(services, asked, reads)
        return
    with services.database.read() as tx:
        yield from _limits(services, tx, asked, actor)
        if asked.kind in _SHOWS:
            yield from _shown(services, tx, asked, reads)


def _entries(services: Services, asked: Interaction, reads: Mapping[str, Read]) -> Iterator[str]:
    """Each entry of a batch or transaction as the request that it is."""
    bundle = _bundle_in(services, asked.body) if isinstance(asked.body, bytes) else asked.body
    for index, item in enumerate(listed(services, bundle)):
        try:
            inner = entry(asked, index, item).interaction
        except FhirplanError as error:
            yield f"entry {index}: {error.text}"
            continue
        yield f"entry {index}: {inner.kind}" + (f" of {inner.type}" if inner.type else "")
        for line in _explained(services, replace(inner, actor=asked.actor), reads):
            yield f"entry {index}: {line}"


def _bundle_in(services: Services, body: bytes) -> Resource:
    """The batch or transaction that a body is; raises MalformedRequest where it is none."""
    found = codec.loads_resource(body, max_depth=services.settings.max_depth)
    if found["resourceType"] != "Bundle":
        kind = found["resourceType"][:40]
        raise MalformedRequest(f"The body is a {kind}. Give the Bundle (batch or transaction) that the request sends.")
    return found


def _limits(services: Services, tx: Transaction, asked: Interaction, actor: Actor) -> Iterator[str]:
    if asked.type == AUDIT:
        for item in limits(actor, AUDIT, NEEDS[asked.kind]):
            yield f"accesses to the record {f'of Patient/{item.patient}' if item.patient else 'of anybody'}"
        return
    for letter in NEEDS.get(asked.kind, "r"):
        eyes = sight(services, tx, asked, letter)
        if eyes is None or asked.type not in CATALOG:
            continue
        yield from _of_type(eyes, asked.type)
        if asked.id and asked.kind != "search-compartment":
            yield access_judged.one(eyes, asked.type, asked.id, int(asked.version) if asked.version.isdigit() else 0)


def _of_type(eyes: Sight, type_: str) -> Iterator[str]:
    letter = eyes.letter
    for scope in eyes.actor.grant.scopes.covering(type_, letter) if eyes.actor.grant else ():
        yield f"{letter}: {scope.text} speaks of it"
    for item in eyes.limits(type_):
        whose = f"of Patient/{item.patient}" if item.patient else "of anybody"
        yield f"{letter}: {type_} {whose}{' with ' + str(dict(item.query)) if item.query else ''}"
    own = eyes.scoped(type_)
    yield f"{letter}: by scopes " + ("all" if own is None else wording.criterion(own))
    shown = eyes.withheld(type_)
    yield f"{letter}: by consents and labels " + ("all" if shown is None else wording.criterion(shown))
    for rule in eyes.withheld.rules:
        act = "permits" if rule.permits else "forbids"
        yield f"{letter}: {rule.consent} of Patient/{rule.patient} {act} and concerns this reader"


def _shown(services: Services, tx: Transaction, asked: Interaction, reads: Mapping[str, Read]) -> Iterator[str]:
    """What the request shows to somebody without limits, and what of it the caller sees; one page of it."""
    eyes = sight(services, tx, asked, "r" if asked.kind == "history-instance" else "s")
    if eyes is None:
        return
    try:
        reply = reads[asked.kind](services, tx, replace(asked, actor=OPERATOR))
    except FhirplanError as error:
        yield f"it is refused to anybody: {error.text}"
        return
    bundle: dict[str, Any] = codec.loads(reply.body)
    yield from access_judged.judged(eyes, bundle)
    if any(link.get("relation") == "next" for link in bundle.get("link", [])):
        yield "there are more pages; explain their addresses likewise"


def _conflicts(services: Services, connection: str, actor: Actor | None, letter: str) -> Iterator[str]:
    if actor is None or actor.grant is None:
        yield "refused: it takes an access token"
        return
    with services.database.read() as tx:
        for item in conflicts.listed(tx, connection):
            name = f"conflict {item.cid}"
            if Limit() not in limits(actor, item.type, letter):
                yield (f"{name}: {item.type}/{item.id}: hidden, as it takes a right ({letter}) to all of the type")
                continue
            asked = Interaction("read", fhir_base(services.settings, connection), connection, actor=actor)
            eyes = sight(services, tx, asked, letter)
            yield f"{name}: " + ("seen" if eyes is None else access_judged.one(eyes, item.type, item.id))
