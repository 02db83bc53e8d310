"""Carries out any interaction: the one table of what is served, which the CapabilityStatement is derived from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

from fhirplan.access.decide import decide
from fhirplan.errors import FhirplanError, Misconfigured
from fhirplan.interactions.auditing import audit_read, audit_search, note
from fhirplan.interactions.authenticate import authenticate
from fhirplan.interactions.bundles.bundle import bundle
from fhirplan.interactions.bundles.transaction import Read
from fhirplan.interactions.capabilities import capabilities
from fhirplan.interactions.create import create
from fhirplan.interactions.definitions import definition_read, definition_search
from fhirplan.interactions.delete import delete
from fhirplan.interactions.history import history_instance, history_system, history_type
from fhirplan.interactions.openapi import openapi
from fhirplan.interactions.operations.applying import apply_template
from fhirplan.interactions.operations.as_of import as_of
from fhirplan.interactions.operations.assessing import extract
from fhirplan.interactions.operations.break_glass import break_glass
from fhirplan.interactions.operations.everything import patient_everything, plan_everything
from fhirplan.interactions.operations.explain import explain
from fhirplan.interactions.operations.explaining_access import explain_access
from fhirplan.interactions.operations.meta import meta, meta_add, meta_delete
from fhirplan.interactions.operations.subscription_events import subscription_events, subscription_status
from fhirplan.interactions.operations.validate import validate
from fhirplan.interactions.outcomes import refusal
from fhirplan.interactions.patch import patch
from fhirplan.interactions.read import read, vread
from fhirplan.interactions.search import search_compartment, search_system, search_type
from fhirplan.interactions.services import Services
from fhirplan.interactions.update import update
from fhirplan.interactions.values import Interaction, Reply

READS: Final[dict[str, Read]] = {
    "read": read,
    "vread": vread,
    "history-instance": history_instance,
    "history-type": history_type,
    "history-system": history_system,
    "search-type": search_type,
    "search-system": search_system,
    "search-compartment": search_compartment,
    "everything": patient_everything,
    "plan-everything": plan_everything,
    "as-of": as_of,
    "explain": explain,
    "meta": meta,
    "subscription-status": subscription_status,
    "subscription-events": subscription_events,
    "audit-read": audit_read,
    "audit-search": audit_search,
}
OTHERS: Final[dict[str, Callable[[Services, Interaction], Reply]]] = {
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "validate": validate,
    "meta-add": meta_add,
    "meta-delete": meta_delete,
    "break-glass": break_glass,
    "access-explain": lambda services, interaction: explain_access(services, interaction, READS),
    "apply": lambda services, interaction: apply_template(services, interaction, READS),
    "extract": lambda services, interaction: extract(services, interaction, READS),
    "definition-read": definition_read,
    "definition-search": definition_search,
    "openapi": openapi,
    "capabilities": capabilities,
    "bundle": lambda services, interaction: bundle(services, interaction, READS, perform),
}


def perform(services: Services, interaction: Interaction) -> Reply:
    """The reply to an interaction; an error of ours becomes its status and OperationOutcome, and the access is noted.

    Misconfigured is raised, as is whatever is no FhirplanError.
    """
    if interaction.actor is None and interaction.authorization:
        with services.database.read() if interaction.kind in READS else nullcontext():
            # One view of the database for who is asking and for what they get.
            interaction, reply = _recognised(services, interaction)
            reply = reply or _carried_out(services, interaction)
    else:
        reply = _carried_out(services, interaction)
    note(services, interaction, reply)
    return reply


def _recognised(services: Services, interaction: Interaction) -> tuple[Interaction, Reply | None]:
    """The interaction with its actor, and the answer where they are not to be recognised."""
    try:
        actor = authenticate(services, interaction.authorization, interaction.connection)
    except FhirplanError as error:
        return interaction, refusal(error)
    return replace(interaction, actor=actor, authorization=""), None


def _carried_out(services: Services, interaction: Interaction) -> Reply:
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
