"""Updates a resource, or creates it under the caller's id (R4 sections 3.1.0.5, 3.1.0.5.1 and 3.1.0.5.2)."""

from __future__ import annotations

from dataclasses import replace

from fhirplan.errors import Issue, MalformedRequest
from fhirplan.fhir.reference import ID
from fhirplan.interactions.conditions import required
from fhirplan.interactions.incoming import accepted
from fhirplan.interactions.matching import chosen, hold
from fhirplan.interactions.outcomes import StaleVersion
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.provenance.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.touching import updated
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import prepared, stored, written
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version


def update(services: Services, interaction: Interaction) -> Reply:
    """200 with the new version, 201 when there was none, 200 with the current version when nothing differs.

    Without an id in the address it is a conditional update: its query says which resource is meant. Raises as
    ``accepted`` does, StaleVersion when If-Match names another version than the current one, MultipleMatches.
    """
    refuse_made(interaction)
    if interaction.id:
        refuse_parameters(interaction)
    incoming = accepted(services, interaction)
    change = Change("update", interaction.type, interaction.id, incoming.resource)
    [change], ahead = prepared(services, interaction, [change])
    with services.database.write() as tx:
        if interaction.id:
            before = updated(services, tx, interaction, interaction.id)
            meant, id_, unused = interaction, interaction.id, False
        else:
            hold(services, tx, [interaction])
            before = chosen(services, tx, interaction)
            id_, unused = meant_id(services, tx, interaction, before, incoming.resource.get("id"))
            meant = replace(interaction, id=id_)
        change = replace(change, id=id_, expected=0 if unused else required(meant, before))
        [made] = stored(services, tx, meant, [change], [incoming.issues], ahead=ahead)
    version = made.version
    return written(
        services,
        meant,
        version,
        created=before is None or before.deleted,
        changed=before is None or version.version != before.version,
        issues=made.issues,
    )


def meant_id(
    services: Services, tx: Transaction, interaction: Interaction, found: Version | None, given: object
) -> tuple[str, bool]:
    """The id that a conditional update writes to, and whether nothing may be stored under it yet.

    ``found`` is what its condition matches and ``given`` the id in its body, if any. Raises MalformedRequest when both
    are there and differ, StaleVersion when the id is taken by a resource that the condition does not match.
    """
    if given is not None and not (isinstance(given, str) and ID.fullmatch(given)):
        raise MalformedRequest(f"{str(given)[:80]!r} cannot be the id of a resource.", expression="id")
    if found is not None:
        if given not in (None, found.id):
            raise MalformedRequest(
                f"The condition matches {found.type}/{found.id} and the body has the id {given!r}. Leave the id out, "
                "or give that of the match.",
                expression=f"{interaction.type}.id",
            )
        return found.id, False
    if given is None:
        if interaction.if_match:
            required(interaction, None)
        return services.new_id(), True
    taken = updated(services, tx, interaction, str(given))
    if taken is not None and not taken.deleted:
        text = f"The condition does not match {interaction.type}/{given}, which exists. Update it by its address."
        raise StaleVersion(
            Issue("error", "conflict", text, f"{interaction.type}.id"), interaction.type, str(given), taken.version
        )
    if interaction.if_match:
        required(replace(interaction, id=str(given)), taken)
    return str(given), True
