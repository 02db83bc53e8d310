"""Deletes a resource; its versions stay readable (R4 sections 3.1.0.7 and 3.1.0.7.1)."""

from __future__ import annotations

from dataclasses import replace

from fhirplan.interactions.conditions import required
from fhirplan.interactions.matching import chosen
from fhirplan.interactions.outcomes import said
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.provenance.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.touching import touched
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import pushed, stored
from fhirplan.store.commit import Change


def delete(services: Services, interaction: Interaction) -> Reply:
    """204, also when there was nothing to delete, since the caller's wish is fulfilled.

    Without an id in the address it is a conditional delete: its query says which resource is meant, and nothing is
    deleted when it is more than one. With Prefer: return=OperationOutcome it is 200 with one. Raises StaleVersion when
    If-Match does not hold, InvalidSearch, MultipleMatches.
    """
    type_, id_ = interaction.type, interaction.id
    refuse_made(interaction)
    if id_:
        refuse_parameters(interaction)
    with services.database.write() as tx:
        before = touched(services, tx, interaction, type_, id_, "d") if id_ else chosen(services, tx, interaction)
        id_ = before.id if before else id_
        expected = required(replace(interaction, id=id_), before)
        if before is None or before.deleted:
            return _answer(interaction, Reply(204))
        [made] = stored(services, tx, interaction, [Change("delete", type_, id_, expected=expected)])
    version = made.version
    receipt, issues = pushed(services, interaction, version)
    return _answer(
        interaction,
        Reply(204, b"", type_, id_, version.version, version.updated, issues=issues, receipt=receipt),
    )


def _answer(interaction: Interaction, reply: Reply) -> Reply:
    if interaction.prefer != "OperationOutcome":
        return reply
    return replace(reply, status=200, body=said(reply.issues))
