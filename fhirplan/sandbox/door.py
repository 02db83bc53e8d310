"""Carries out a call as one EHR would: what it does not offer is refused, what it does differently is done so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fhirplan.errors import InvalidResource, MalformedRequest, NotSupported, VersionMismatch
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Json, Resource
from fhirplan.fhir.patch import json_patch
from fhirplan.fhir.resource import content_hash
from fhirplan.sandbox import asking, interactions, showing
from fhirplan.sandbox.calls import Asked, Call, Reply, asked
from fhirplan.sandbox.persona import Offer, Persona
from fhirplan.sandbox.refusals import StaleVersion, UnsupportedMedia, VendorRefused, WrongMethod
from fhirplan.sandbox.resources import FOREVER, Store
from fhirplan.sandbox.showing import Shelf

_METHODS = {
    "search-type": ("type", "GET"),
    "create": ("type", "POST"),
    "read": ("instance", "GET"),
    "update": ("instance", "PUT"),
    "patch": ("instance", "PATCH"),
}


def answer(store: Store, persona: Persona, call: Call) -> Reply:
    """What this EHR answers; raises FhirplanError."""
    if persona.whole:
        return interactions.answer(store, call)
    wanted = asked(call.method, call.path)
    offer = _offer(persona, wanted, call)
    match wanted.interaction:
        case "search-type":
            return _search(Shelf(store, persona, offer, call), wanted.type)
        case "create":
            return _create(store, persona, offer, call)
        case "update":
            return _update(store, persona, call, wanted)
        case "patch":
            return _patch(store, persona, offer, call)
    found = interactions.answer(store, call)
    return replace(found, body=showing.resource(offer, found.body))


def _offer(persona: Persona, wanted: Asked, call: Call) -> Offer:
    offer = persona.types.get(wanted.type)
    if offer is None:
        listed = ", ".join(sorted(persona.types))
        raise NotSupported(f"{wanted.type or 'This address'} is not served here. Served are: {listed}.")
    if wanted.interaction in offer.interactions and not (wanted.interaction == "update" and not wanted.id):
        return offer
    level = "instance" if wanted.id else "type"
    allowed = tuple(
        method for name, (where, method) in _METHODS.items() if where == level and name in offer.interactions
    )
    raise WrongMethod(
        f"{call.method} is not offered at {call.path!r}. Offered: {', '.join(allowed) or 'nothing'}.", allowed
    )


def _search(shelf: Shelf, type_: str) -> Reply:
    heard = asking.heard(shelf.persona, shelf.offer, shelf.call.pairs)
    shelf = replace(shelf, call=replace(shelf.call, pairs=heard.pairs))
    found = interactions.answer(shelf.store, shelf.call)
    return replace(found, body=showing.searchset(shelf, type_, found.body, heard.remarks))


def _create(store: Store, persona: Persona, offer: Offer, call: Call) -> Reply:
    _refuse_modifiers(persona, call.resource)
    with store.transaction():
        if persona.refuses_duplicates and call.resource and _is_there(store, call.resource):
            raise VendorRefused(
                f"This {call.path} is there already. Look for it before sending it again.",
                coding=(persona.code_system, persona.code("duplicate", offer.family)),
                code="duplicate",
            )
        return interactions.answer(store, replace(call, if_none_exist=""))


def _is_there(store: Store, resource: Resource) -> bool:
    """Whether a resource of the same content is current, looked for among those of its subject where it has one."""
    type_, subject = resource["resourceType"], resource.get("subject")
    where, values = "type = ? AND until = ?", [type_, FOREVER]
    if isinstance(subject, dict) and isinstance(subject.get("reference"), str):
        where += " AND seq IN (SELECT seq FROM entry WHERE type = ? AND code = 'subject' AND value = ?)"
        values += [type_, subject["reference"]]
    digest = content_hash(resource)
    return any(
        content_hash(codec.loads(version.body)) == digest for version in store.versions(where, values) if version.body
    )


def _update(store: Store, persona: Persona, call: Call, wanted: Asked) -> Reply:
    _refuse_modifiers(persona, call.resource)
    with store.transaction():
        interactions.living(store, wanted.type, wanted.id)
        return _replaced(store, persona, call)


def _replaced(store: Store, persona: Persona, call: Call) -> Reply:
    """An update that heeds If-Match as this EHR does."""
    heeded = call if persona.if_match != "ignored" else replace(call, if_match="")
    try:
        return interactions.answer(store, heeded)
    except VersionMismatch as error:
        if persona.if_match == "409":
            raise StaleVersion(error.issues) from None
        raise


def _patch(store: Store, persona: Persona, offer: Offer, call: Call) -> Reply:
    """A JSON Patch whose first operation is a test, and whose others change listed paths only."""
    operations = call.operations
    if operations is None:
        raise UnsupportedMedia("A patch is sent as application/json-patch+json.")
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise MalformedRequest("A JSON Patch is an array of operations.")
    if not operations or operations[0].get("op") != "test":
        raise InvalidResource("The first operation of a patch is a test, so that it changes what you have seen.")
    for item in operations:
        if item.get("path") not in offer.patched:
            raise InvalidResource(
                f"The path {str(item.get('path'))[:80]!r} cannot be patched. Listed: {offer.patched}."
            )
    with store.transaction():
        current = interactions.living(store, *call.path.split("/"))
        changed = json_patch(codec.loads(current.body or b"{}"), operations)
        return _replaced(store, persona, replace(call, method="PUT", resource=changed))


def _refuse_modifiers(persona: Persona, resource: Resource | None) -> None:
    if persona.refuses_modifier_extensions:
        for url in _modifiers(resource):
            raise InvalidResource(
                f"The modifier extension {url[:100]!r} is not known. Leave it out.", expression="modifierExtension"
            )


def _modifiers(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        listed = value.get("modifierExtension", [])
        for item in listed if isinstance(listed, list) else [listed]:
            yield str(item.get("url", "")) if isinstance(item, dict) else ""
        for item in value.values():
            yield from _modifiers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _modifiers(item)
