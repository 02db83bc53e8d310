"""Validates a resource without storing it: the operation $validate (R4 operation Resource-validate)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fhirplan.errors import Issue, MalformedRequest, NotFound
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.incoming import checked, parsed, placed
from fhirplan.interactions.outcomes import said
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import current
from fhirplan.interactions.values import Interaction, Reply

MODES: Final = ("create", "update", "delete", "profile")


@dataclass(frozen=True, slots=True)
class _Asked:
    resource: Resource | None
    profiles: tuple[str, ...]
    mode: str


def validate(services: Services, interaction: Interaction) -> Reply:
    """200 with what was found, whether or not anything is wrong with the resource.

    The body is the resource itself, or Parameters with ``resource``, ``profile`` and ``mode``; the latter two may also
    stand in the query; ``mode=profile`` without a body is about the stored resource. Raises MalformedRequest and
    TooCostly for a body that cannot be read as such, NotFound where nothing is stored.
    """
    asked = _asked(services, interaction)
    if asked.mode == "delete":
        return Reply(200, said(_deletable(services, interaction)))
    if asked.resource is None:
        raise MalformedRequest("The Parameters have no parameter named resource. Add the resource to validate.")
    type_ = asked.resource["resourceType"]
    if type_ != interaction.type:
        text = f"This is a {str(type_)[:80]}, sent to {interaction.type}/$validate. Send it to its own type."
        return Reply(200, said([Issue("error", "structure", text, "resourceType")]))
    return Reply(
        200, said([*_fits_mode(asked, interaction), *_found(services, interaction, asked.resource, asked.profiles)])
    )


def _found(
    services: Services, interaction: Interaction, resource: Resource, profiles: tuple[str, ...]
) -> tuple[Issue, ...]:
    found = checked(services, resource, profiles, connection=services.connection(interaction))
    return found if _is_wrapped(interaction) else placed(found, interaction, resource)


def _is_wrapped(interaction: Interaction) -> bool:
    """Whether the resource came inside Parameters, so that places in the body would mislead."""
    body = interaction.body
    return isinstance(body, dict) or b'"Parameters"' in body


def _stored(services: Services, interaction: Interaction) -> Resource:
    """The resource at the address; raises NotFound."""
    with services.database.read() as tx:
        version = current(services, tx, interaction, "r")
    if version is None or version.deleted:
        raise NotFound(f"There is no {interaction.type}/{interaction.id} to validate. Send the resource in the body.")
    return version.resource()


def _asked(services: Services, interaction: Interaction) -> _Asked:
    refuse_parameters(interaction, "profile", "mode")
    profiles = [value for name, value in interaction.parameters if name == "profile"]
    mode = dict(interaction.parameters).get("mode", "")
    if mode == "delete" and not interaction.body:
        return _Asked(None, (), mode)
    if mode == "profile" and not interaction.body and interaction.id:
        return _Asked(_stored(services, interaction), tuple(profiles), mode)
    resource: Resource | None = parsed(services, interaction)
    if resource and resource["resourceType"] == "Parameters":
        given = _parameters(resource)
        profiles += [item["valueUri"] for item in given.get("profile", []) if isinstance(item.get("valueUri"), str)]
        profiles += [
            item["valueCanonical"] for item in given.get("profile", []) if isinstance(item.get("valueCanonical"), str)
        ]
        mode = next((str(item.get("valueCode")) for item in given.get("mode", [])), mode)
        resource = next(
            (item["resource"] for item in given.get("resource", []) if _is_resource(item.get("resource"))), None
        )
    if mode and mode not in MODES:
        raise MalformedRequest(f"mode is {mode[:40]!r}; it is one of {', '.join(MODES)}.", expression="http.mode")
    return _Asked(resource, tuple(profiles), mode)


def _parameters(resource: Resource) -> dict[str, list[dict[str, Any]]]:
    listed = resource.get("parameter")
    named: dict[str, list[dict[str, Any]]] = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict):
            named.setdefault(str(item.get("name")), []).append(item)
    unknown = sorted(set(named) - {"resource", "profile", "mode"})
    if unknown:
        raise MalformedRequest(
            f"$validate knows no parameter {unknown[0][:80]!r}; it takes resource, profile and mode.",
            expression="Parameters.parameter",
        )
    return named


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def _fits_mode(asked: _Asked, interaction: Interaction) -> list[Issue]:
    """What an update would be refused for besides its content."""
    if asked.resource is None or asked.mode != "update":
        return []
    found = asked.resource.get("id")
    if found and found in (interaction.id, interaction.id or found):
        return []
    text = "An update names its resource by id. " + (
        f"Give the resource the id {interaction.id}." if interaction.id else "Give the resource its id."
    )
    return [Issue("error", "required", text, f"{interaction.type}.id")]


def _deletable(services: Services, interaction: Interaction) -> list[Issue]:
    if not interaction.id:
        raise MalformedRequest(f"mode=delete needs an address such as {interaction.type}/[id]/$validate.")
    with services.database.read() as tx:
        version = current(services, tx, interaction, "r")
    if version is None or version.deleted:
        name = f"{interaction.type}/{interaction.id}"
        return [Issue("warning", "not-found", f"There is no {name}; a delete would change nothing.")]
    return [Issue("information", "informational", f"{interaction.type}/{interaction.id} can be deleted.")]
