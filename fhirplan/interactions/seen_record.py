"""The record as the rules and the operations may weigh it for a caller, who learns from what they say what is in it."""

from __future__ import annotations

from fhirplan.access.decide import patients
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import SHARED, sight
from fhirplan.interactions.values import Interaction
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.engine import Transaction
from fhirplan.store.search.visible import belongs
from fhirplan.store.versions import Version


def seen_record(services: Services, tx: Transaction, interaction: Interaction) -> StoredRecord:
    """The record as far as its caller may read it, for what an operation makes of it.

    Who acts is known to themself, and colleagues are to whoever is not held to the records of patients.
    """
    eyes = sight(services, tx, interaction, "r")
    behaviors = services.rules.behaviors
    if eyes is None:
        return StoredRecord(tx, interaction.connection, behaviors)
    limited = held(services, interaction) is not None
    own = interaction.actor.grant.user if interaction.actor is not None and interaction.actor.grant else ""

    def shown(version: Version) -> bool:
        colleague = version.type in SHARED and (not limited or f"{version.type}/{version.id}" == own)
        return colleague or eyes.sees(version)

    return StoredRecord(tx, interaction.connection, behaviors, shown)


def held(services: Services, interaction: Interaction) -> frozenset[str] | None:
    """The patients to whose records a caller is held; None for one who is not."""
    return None if services.settings.auth == "open" else patients(interaction.actor)


def weighed(services: Services, tx: Transaction, interaction: Interaction) -> StoredRecord:
    """What the coordination rules weigh of the record when they judge a write.

    A patient's record is weighed whole, whichever types a token may see of it, since rules that could not see the
    plan of a task would allow what they must not. Of another patient's record nothing is.
    """
    only = held(services, interaction)
    behaviors = services.rules.behaviors
    if only is None:
        return StoredRecord(tx, interaction.connection, behaviors)

    def shown(version: Version) -> bool:
        if version.type in SHARED or (version.type == "Patient" and version.id in only):
            return True
        return any(belongs(tx, interaction.connection, version, patient) for patient in only)

    return StoredRecord(tx, interaction.connection, behaviors, shown)
