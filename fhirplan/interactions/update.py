"""Updates a resource, or creates it under the caller's id (R4 sections 3.1.0.5 and 3.1.0.5.1)."""

from __future__ import annotations

from fhirplan.interactions.conditions import required
from fhirplan.interactions.incoming import accepted
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import stored, written
from fhirplan.store.commit import Change
from fhirplan.store.versions import current


def update(services: Services, interaction: Interaction) -> Reply:
    """200 with the new version, 201 when there was none, 200 with the current version when nothing differs.

    Raises as ``accepted`` does, StaleVersion when If-Match names another version than the current one.
    """
    refuse_parameters(interaction)
    incoming = accepted(services, interaction)
    type_, id_ = interaction.type, interaction.id
    with services.database.write() as tx:
        before = current(tx, interaction.connection, type_, id_)
        change = Change("update", type_, id_, incoming.resource, required(interaction, before))
        [version] = stored(services, tx, interaction, [change])
    return written(
        services,
        interaction,
        version,
        created=before is None or before.deleted,
        changed=before is None or version.version != before.version,
        issues=incoming.issues,
    )
