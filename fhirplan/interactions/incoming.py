"""Makes a body into a resource that may be stored: read, compared with its address, made relative, validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.errors import InvalidResource, Issue, MalformedRequest
from fhirplan.fhir.codec import Resource, loads_resource
from fhirplan.fhir.reference import rewrite
from fhirplan.interactions.linking import may_have_conditional, refuse_conditional
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction
from fhirplan.validation import Policy


@dataclass(frozen=True, slots=True)
class Incoming:
    """A resource fit to be stored, and what was found that does not stop it."""

    resource: Resource
    issues: tuple[Issue, ...]


def accepted(services: Services, interaction: Interaction) -> Incoming:
    """The resource that a create or update brings.

    References to our own base are made relative, so that they stay right when the base changes. Raises
    MalformedRequest (not JSON, another type or id than the address), TooCostly (nested too deep), InvalidResource with
    all findings.
    """
    resource = parsed(services, interaction)
    fits_address(resource, interaction)
    if may_have_conditional(interaction.body):
        refuse_conditional(resource)
    findings = checked(services, resource)
    if any(issue.is_error for issue in findings):
        raise InvalidResource(findings)
    return Incoming(resource, findings)


def parsed(services: Services, interaction: Interaction) -> Resource:
    """The resource in the body; raises as ``codec.loads_resource`` does."""
    body = interaction.body
    if isinstance(body, dict):
        return body
    if not body.strip():
        raise MalformedRequest(f"The request has no body. Send the {interaction.type or 'Bundle'} as JSON.")
    return relative(loads_resource(body, max_depth=services.settings.max_depth), body, interaction.base)


def relative(resource: Resource, body: bytes, base: str) -> Resource:
    """The resource with references to ``base`` made relative; ``body`` is its text, so that most need no walk."""
    if base.encode() not in body:
        return resource
    prefix = f"{base}/"
    return rewrite(resource, lambda text: text.removeprefix(prefix) if text.startswith(prefix) else None)


def fits_address(resource: Resource, interaction: Interaction) -> None:
    """Raises MalformedRequest when the resource is of another type or id than its address (R4 section 3.1.0.5)."""
    type_ = resource["resourceType"]
    if type_ != interaction.type:
        raise MalformedRequest(
            f"The address says {interaction.type} and the body is a {str(type_)[:80]}. Send it to /{str(type_)[:80]}, "
            f"or send a {interaction.type}.",
            expression="resourceType",
        )
    if interaction.kind == "update" and resource.get("id") != interaction.id:
        found = resource.get("id")
        raise MalformedRequest(
            f"The address says {interaction.type}/{interaction.id} and the body "
            + ("has no id." if found is None else f"has the id {str(found)[:80]!r}.")
            + f' Give the body "id": "{interaction.id}".',
            expression=f"{interaction.type}.id",
        )


def checked(services: Services, resource: Resource, profiles: tuple[str, ...] = ()) -> tuple[Issue, ...]:
    """What the validator finds at the strictness of the setting ``validation``, and against ``profiles`` besides."""
    return services.validator.validate(resource, profiles, policy=policy(services))


def policy(services: Services) -> Policy:
    """The strictness of the setting ``validation``, as the validator knows it."""
    return _POLICIES[services.settings.validation]


_POLICIES: Final[dict[str, Policy]] = {"case-management": "case-management", "declared": "declared", "base": "base"}
