"""Reads a resource as it is now or as it was in a version (R4 sections 3.1.0.2 and 3.1.0.3)."""

from __future__ import annotations

from fhirplan.errors import Gone, NotFound
from fhirplan.interactions.conditions import not_modified
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.shown import SHOWN, asked, part
from fhirplan.interactions.sight import absent, current, sight
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version, at
from fhirplan.store.writes import PROVENANCE


def read(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with the bytes as stored, or the part of them that _summary or _elements asks for.

    304 when If-None-Match or If-Modified-Since says that it is known.

    Raises NotFound, Gone, MalformedRequest.
    """
    if interaction.parameters:
        refuse_parameters(interaction, *SHOWN)
    version = current(services, tx, interaction, "r")
    if version is None:
        raise absent(interaction)
    return _shown(version, interaction)


def vread(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with the bytes of one version; raises NotFound, Gone when that version is a deletion."""
    if interaction.parameters:
        refuse_parameters(interaction, *SHOWN)
    number = interaction.version
    version = None
    if number.isascii() and number.isdigit() and len(number) < 10:
        version = at(tx, interaction.connection, interaction.type, interaction.id, int(number))
    if version is None and interaction.type == PROVENANCE and number == "1":
        version = current(services, tx, interaction, "r")
    if version is None or not _seen(services, tx, interaction, version):
        raise NotFound(
            f"There is no version {number[:64]} of {interaction.type}/{interaction.id}. "
            f"{interaction.type}/{interaction.id}/_history lists those there are."
        )
    return _shown(version, interaction)


def _seen(services: Services, tx: Transaction, interaction: Interaction, version: Version) -> bool:
    """Whether the caller may see a version: as it was then, and as the resource is now."""
    eyes = sight(services, tx, interaction, "r")
    if eyes is None:
        return True
    now = current(services, tx, interaction, "r")
    return now is not None and (version.version == now.version or eyes.saw(version))


def _shown(version: Version, interaction: Interaction) -> Reply:
    if version.body is None:
        raise Gone(
            f"{version.type}/{version.id} was deleted with version {version.version}. "
            f"Its earlier versions are listed at {version.type}/{version.id}/_history."
        )
    if (interaction.if_none_match or interaction.if_modified_since) and not_modified(interaction, version):
        return Reply(304, b"", version.type, version.id, version.version, version.updated)
    body = part(version, asked(interaction)) if interaction.parameters else version.body
    return Reply(200, body, version.type, version.id, version.version, version.updated)
