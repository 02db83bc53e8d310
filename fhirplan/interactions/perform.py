"""Carries out any interaction: the one table of what is served, which the CapabilityStatement is derived from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fhirplan.access.decide import decide
from fhirplan.errors import FhirplanError, Misconfigured
from fhirplan.interactions.bundle import bundle
from fhirplan.interactions.capabilities import capabilities
from fhirplan.interactions.create import create
from fhirplan.interactions.delete import delete
from fhirplan.interactions.history import history_instance
from fhirplan.interactions.outcomes import refusal
from fhirplan.interactions.read import read, vread
from fhirplan.interactions.search import search_type
from fhirplan.interactions.services import Services
from fhirplan.interactions.transaction import Read
from fhirplan.interactions.update import update
from fhirplan.interactions.validate import validate
from fhirplan.interactions.values import Interaction, Reply

READS: Final[dict[str, Read]] = {
    "read": read,
    "vread": vread,
    "history-instance": history_instance,
    "search-type": search_type,
}
OTHERS: Final[dict[str, Callable[[Services, Interaction], Reply]]] = {
    "create": create,
    "update": update,
    "delete": delete,
    "validate": validate,
    "capabilities": capabilities,
    "bundle": lambda services, interaction: bundle(services, interaction, READS, perform),
}


def perform(services: Services, interaction: Interaction) -> Reply:
    """The reply to an interaction; an error of ours becomes its status and OperationOutcome.

    Misconfigured is raised, as is whatever is no FhirplanError.
    """
    try:
        decide(interaction.actor, interaction.kind, interaction.type, services.settings.auth)
        reads = READS.get(interaction.kind)
        if reads is None:
            return OTHERS[interaction.kind](services, interaction)
        with services.database.read() as tx:
            return reads(services, tx, interaction)
    except Misconfigured:
        raise
    except FhirplanError as error:
        return refusal(error)
