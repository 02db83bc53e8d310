"""Reads and changes the meta of a resource: $meta, $meta-add and $meta-delete (R4 operations Resource-meta…)."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.errors import InvalidResource, MalformedRequest, VersionMismatch
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.interactions.conditions import required
from fhirplan.interactions.incoming import checked, refusing
from fhirplan.interactions.operations.everything import live
from fhirplan.interactions.operations.inputs import inputs, parameters
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.provenance.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import pushed, stored
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

_LISTS: Final = ("profile", "security", "tag")
_TRIES: Final = 5


def meta(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with the meta of a resource as Parameters; raises NotFound, Gone."""
    inputs(services, interaction)
    return _answer(live(services, tx, interaction))


def meta_add(services: Services, interaction: Interaction) -> Reply:
    """200 with the meta after profiles, tags and labels were added; raises as ``_change``."""
    return _change(services, interaction, adding=True)


def meta_delete(services: Services, interaction: Interaction) -> Reply:
    """200 with the meta after profiles, tags and labels were removed; raises as ``_change``."""
    return _change(services, interaction, adding=False)


def _change(services: Services, interaction: Interaction, *, adding: bool) -> Reply:
    """Makes a new version unless nothing changes; raises NotFound, Gone, StaleVersion, MalformedRequest."""
    refuse_parameters(interaction)
    refuse_made(interaction)
    given = _given(services, interaction)
    for left in reversed(range(_TRIES)):
        with services.database.read() as tx:
            before = live(services, tx, interaction, "u")
        required(interaction, before)
        resource = _changed(before.resource(), given, adding=adding)
        connection = services.connection(interaction)
        findings = checked(services, resource, connection=connection)
        if refusing(findings, connection):
            raise InvalidResource(findings)
        try:
            with services.database.write() as tx:
                change = Change("update", before.type, before.id, resource, before.version)
                [made] = stored(services, tx, interaction, [change], [findings])
        except VersionMismatch:
            if not left:
                raise
            continue
        break
    if made.version.version != before.version:
        pushed(services, interaction, made.version)
    return _answer(made.version)


def _given(services: Services, interaction: Interaction) -> dict[str, list[Any]]:
    listed = parameters(services, interaction)
    metas = [item.get("valueMeta") for item in listed if item.get("name") == "meta"]
    if len(metas) != 1 or len(listed) != 1 or not isinstance(metas[0], dict):
        raise MalformedRequest(
            "Send Parameters with one parameter named meta that has a valueMeta.", expression="Parameters.parameter"
        )
    found: dict[str, list[Any]] = {}
    for name, value in metas[0].items():
        if name not in _LISTS or not isinstance(value, list):
            raise MalformedRequest(
                f"The meta has {name[:40]!r}; taken are lists of {', '.join(_LISTS)}.",
                expression="Parameters.parameter[0].valueMeta",
            )
        found[name] = value
    return found


def _changed(resource: Resource, given: dict[str, list[Any]], *, adding: bool) -> Resource:
    kept = dict(resource.get("meta") or {})
    for name, values in given.items():
        here = list(kept.get(name) or [])
        keys = {_key(value) for value in values}
        if adding:
            known = {_key(value) for value in here}
            here += [value for value in values if _key(value) not in known]
        else:
            here = [value for value in here if _key(value) not in keys]
        kept[name] = here
    return {**resource, "meta": {name: value for name, value in kept.items() if value != []}}


def _key(value: Any) -> object:
    """What makes a profile, tag or label the same as another: of a coding its system and code."""
    if isinstance(value, dict):
        return str(value.get("system", "")), str(value.get("code", ""))
    return str(value)


def _answer(version: Version) -> Reply:
    told = {
        "resourceType": "Parameters",
        "parameter": [{"name": "return", "valueMeta": version.resource().get("meta", {})}],
    }
    return Reply(200, dumps(told), version.type, version.id, version.version, version.updated)
