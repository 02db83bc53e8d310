"""Creates a resource under an id that the server gives (R4 sections 3.1.0.8 and 3.1.0.8.1, conditional create)."""

from __future__ import annotations

from fhirplan.errors import MultipleMatches
from fhirplan.interactions.incoming import accepted
from fhirplan.interactions.matching import hold, matches
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import prepared, stored, written
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version


def create(services: Services, interaction: Interaction) -> Reply:
    """201 with the new resource, or 200 with the one that If-None-Exist finds.

    The search and the write happen under one lock, so that two callers who ask for the same cannot both create.
    Raises as ``accepted`` does, InvalidSearch, MultipleMatches.
    """
    refuse_parameters(interaction)
    incoming = accepted(services, interaction)
    change = Change("create", interaction.type, services.new_id(), incoming.resource)
    changes, ahead = prepared(services, interaction, [change])
    with services.database.write() as tx:
        found = existing(services, tx, interaction)
        if found is None:
            [made] = stored(services, tx, interaction, changes, [incoming.issues], ahead=ahead)
    if found is not None:
        return written(services, interaction, found, created=False, changed=False)
    return written(services, interaction, made.version, created=True, changed=True, issues=made.issues)


def existing(services: Services, tx: Transaction, interaction: Interaction) -> Version | None:
    """The one resource that If-None-Exist describes, or None; raises InvalidSearch, MultipleMatches."""
    if not interaction.if_none_exist:
        return None
    hold(services, tx, [interaction])
    found = matches(services, tx, interaction, interaction.type, interaction.if_none_exist)
    if len(found) > 1:
        raise MultipleMatches(
            f"If-None-Exist matches more than one {interaction.type}, among them {found[0].type}/{found[0].id} and "
            f"{found[1].type}/{found[1].id}. Make it narrower, for example by identifier."
        )
    return found[0] if found else None
