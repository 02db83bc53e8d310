"""Makes a body into a resource that may be stored: read, compared with its address, made relative, validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fhirplan.errors import InvalidResource, Issue, MalformedRequest
from fhirplan.fhir.codec import Resource, loads_resource
from fhirplan.fhir.reference import rewrite
from fhirplan.interactions.bundles.linking import may_have_conditional, refuse_conditional
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction
from fhirplan.settings import Connection
from fhirplan.validation import Policy, texts

_PLACED_BYTES: Final = 2**20


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
    connection = services.connection(interaction)
    findings = checked(services, resource, connection=connection)
    if refusing(findings, connection):
        raise InvalidResource(placed(findings, interaction, resource))
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
    if interaction.kind == "update" and interaction.id and resource.get("id") != interaction.id:
        found = resource.get("id")
        raise MalformedRequest(
            f"The address says {interaction.type}/{interaction.id} and the body "
            + ("has no id." if found is None else f"has the id {str(found)[:80]!r}.")
            + f' Give the body "id": "{interaction.id}".',
            expression=f"{interaction.type}.id",
        )


def checked(
    services: Services,
    resource: Resource,
    profiles: tuple[str, ...] = (),
    *,
    connection: Connection | None = None,
    imported: bool = False,
) -> tuple[Issue, ...]:
    """What the validator finds at the strictness of a connection, and against ``profiles`` besides.

    ``imported`` tells that the resource comes from the connection's EHR. Without a connection the setting
    ``validation`` counts.
    """
    chosen = list(profiles)
    if connection is not None and connection.validation_profiles:
        known, type_ = services.validator.profiles, resource.get("resourceType")
        chosen += [one for one in _acts(connection) if one not in chosen and known.type_of(one) == type_]
    return services.validator.validate(resource, chosen, policy=policy(services, connection, imported))


def policy(services: Services, connection: Connection | None = None, imported: bool = False) -> Policy:
    """The strictness of a connection, as the validator knows it."""
    own = "server" if connection is None else connection.import_validation if imported else connection.api_validation
    return _POLICIES[services.settings.validation if own == "server" else own]


def placed(findings: tuple[Issue, ...], interaction: Interaction, resource: Resource) -> tuple[Issue, ...]:
    """The findings with line and column in the body, where that is a text of a size that is worth it."""
    body = interaction.body
    if not findings or isinstance(body, dict) or len(body) > _PLACED_BYTES:
        return findings
    return texts.placed(findings, body.decode("utf-8", "replace"), resource)


def refusing(findings: Sequence[Issue], connection: Connection) -> bool:
    """Whether a write with these findings is refused; an error of a profile that is only recorded does not count."""
    wrong = [issue for issue in findings if issue.is_error]
    if not wrong or not connection.validation_profiles:
        return bool(wrong)
    recorded = {canonical.partition("|")[0] for canonical, act in _acts(connection).items() if act == "record"}
    return any(issue.profile.partition("|")[0] not in recorded for issue in wrong)


def _acts(connection: Connection) -> dict[str, str]:
    lines = (line.rpartition("=") for line in connection.validation_profiles)
    return {canonical.strip(): act.strip() for canonical, _, act in lines}


_POLICIES: Final[dict[str, Policy]] = {"case-management": "case-management", "declared": "declared", "base": "base"}
