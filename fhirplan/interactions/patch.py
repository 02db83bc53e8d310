"""Changes part of a resource by JSON Patch or FHIRPath Patch (R4 section 3.1.0.6)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.errors import Gone, InvalidResource, Issue, MalformedRequest, NotFound, VersionMismatch
from fhirplan.fhir.codec import Json, Resource, dumps, loads
from fhirplan.fhir.patch import fhirpath_patch, json_patch
from fhirplan.interactions.bundles.linking import refuse_conditional
from fhirplan.interactions.conditions import required
from fhirplan.interactions.incoming import checked, refusing, relative
from fhirplan.interactions.matching import chosen
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.provenance.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.touching import touched
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import stored, written
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

JSON_PATCH: Final = "application/json-patch+json"
# A resource that changes under our hands is tried again so often before its caller is told.
_TRIES: Final = 5


def patch(services: Services, interaction: Interaction) -> Reply:
    """200 with the new version, or with the current one when the patch changes nothing.

    The patch is applied to the current version, which is the one that If-Match names where it does, and its result is
    validated before anything is stored. Raises StaleVersion, NotFound, Gone, MalformedRequest, MultipleMatches and
    InvalidResource, of which a ``test`` that fails is one; then nothing has changed.
    """
    refuse_made(interaction)
    if interaction.id:
        refuse_parameters(interaction)
    operations = parsed_patch(services, interaction)
    for left in reversed(range(_TRIES)):
        with services.database.read() as tx:
            before = patched_version(services, tx, interaction)
        ready = patched_resource(services, before, operations, interaction)
        try:
            with services.database.write() as tx:
                change = Change("update", ready.before.type, ready.before.id, ready.resource, ready.before.version)
                [made] = stored(services, tx, interaction, [change], [ready.issues])
        except VersionMismatch:
            if not left:
                raise
            continue
        break
    changed = made.version.version != ready.before.version
    return written(services, interaction, made.version, created=False, changed=changed, issues=made.issues)


@dataclass(frozen=True, slots=True)
class Patched:
    """What a patch makes of ``before``, validated; ``issues`` do not stop it."""

    before: Version
    resource: Resource
    issues: tuple[Issue, ...]


def unconditional(resource: Resource) -> Resource:
    """The resource; raises InvalidResource for a conditional reference, which is looked up in transactions only."""
    refuse_conditional(resource)
    return resource


def patched_resource(
    services: Services,
    before: Version,
    operations: Json,
    asked: Interaction,
    link: Callable[[Resource], Resource] = unconditional,
) -> Patched:
    """The result of a patch on what is stored, its references settled by ``link``; raises as ``patch``."""
    old = before.resource()
    made = fhirpath_patch(old, operations) if isinstance(operations, dict) else json_patch(old, operations)
    made = link(relative(made, dumps(operations), asked.base))
    connection = services.connection(asked)
    findings = checked(services, made, connection=connection)
    if refusing(findings, connection):
        raise InvalidResource(findings)
    return Patched(before, made, findings)


def patched_version(
    services: Services, tx: Transaction, interaction: Interaction, gone: Collection[str] = ()
) -> Version:
    """The live version that a patch is for, by its address or its condition; raises as ``patch``."""
    type_, id_ = interaction.type, interaction.id
    if id_:
        found = touched(services, tx, interaction, type_, id_, "u")
    else:
        found = chosen(services, tx, interaction, gone)
        if found is None:
            raise NotFound(f"No {type_} matches the condition of this patch, so there is nothing to change.")
    required(replace(interaction, id=id_ or (found.id if found else "")), found)
    if found is None:
        raise NotFound(f"There is no {type_}/{id_} here, and a patch changes what is there. Create it with PUT.")
    if found.deleted:
        raise Gone(f"{type_}/{id_} is deleted, and a patch changes what is there. Bring it back with PUT.")
    return found


def parsed_patch(services: Services, interaction: Interaction) -> Json:
    """The operations: a list is a JSON Patch, an object is the Parameters resource of a FHIRPath Patch.

    An entry of a Bundle brings a JSON Patch as a Binary (R4 section 3.1.0.6.1). Raises MalformedRequest, TooCostly.
    """
    body = interaction.body
    if isinstance(body, bytes):
        if not body.strip():
            raise MalformedRequest(f"The request has no body. Send a JSON Patch as {JSON_PATCH}, or Parameters.")
        operations = loads(body, max_depth=services.settings.max_depth)
        if not isinstance(operations, list | dict):
            raise MalformedRequest("A patch is a JSON array of operations, or a Parameters resource.")
        return operations
    if body.get("resourceType") != "Binary":
        return body
    if body.get("contentType") != JSON_PATCH:
        found = str(body.get("contentType"))[:60]
        raise MalformedRequest(
            f"The Binary is of {found}; a patch in a Bundle is a Binary of {JSON_PATCH}, or Parameters.",
            expression="Binary.contentType",
        )
    try:
        text = base64.b64decode(str(body.get("data") or ""), validate=True)
    except binascii.Error:
        raise MalformedRequest("The data of the Binary is not base64.", expression="Binary.data") from None
    operations = loads(text, max_depth=services.settings.max_depth)
    if not isinstance(operations, list):
        raise MalformedRequest("A JSON Patch is an array of operations: send [] around them.", expression="Binary.data")
    return operations
