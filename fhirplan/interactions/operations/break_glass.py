"""Declares an emergency (Patient/[id]/$break-glass): shows a professional what is withheld of a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.errors import MalformedRequest, NotFound, NotPermitted
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant
from fhirplan.interactions.operations.everything import live
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import audit
from fhirplan.store.access import emergencies

_SHORTEST: Final = 10
_LONGEST: Final = 500
_PROFESSIONALS: Final = frozenset({"Practitioner", "PractitionerRole"})


def break_glass(services: Services, interaction: Interaction) -> Reply:
    """200 with Parameters saying until when; the reason is kept with the AuditEvent, in the same transaction.

    It lifts what consents and labels withhold, and nothing that scopes do not give; from whoever has no limits nothing
    is withheld, so that only the event is kept. Raises NotFound, Gone, NotPermitted for anybody but a person of the
    profession, MalformedRequest without a reason.
    """
    reason = _reason(services, interaction)
    minutes = services.settings.break_glass_minutes
    grant = interaction.actor.grant if interaction.actor is not None else None
    if not minutes or (grant is not None and grant.user.partition("/")[0] not in _PROFESSIONALS):
        raise NotPermitted(
            "An emergency is declared by a Practitioner who stands behind the token (fhirUser), where this server "
            "allows it at all (break_glass_minutes)."
        )
    now = services.clock()
    until = now + minutes * 60_000
    with services.database.write() as tx:
        patient = live(services, tx, interaction)
        if patient.type != "Patient":
            raise NotFound(f"There is no patient {interaction.id} here.")
        if grant is not None:
            emergencies.declare(tx, interaction.connection, grant.user, patient.id, reason, now, until)
        audit.record(tx, _event(interaction, patient.id, reason, now))
    told = {"resourceType": "Parameters", "parameter": [{"name": "until", "valueInstant": instant(until)}]}
    return Reply(200, dumps(told))


def _reason(services: Services, interaction: Interaction) -> str:
    reason = " ".join(dict(inputs(services, interaction)).get("reason", "").split())
    if len(reason) < _SHORTEST or len(reason) > _LONGEST:
        raise MalformedRequest(
            f"The reason has {len(reason)} letters; say in {_SHORTEST} to {_LONGEST} why it cannot wait.",
            expression="http.reason",
        )
    return reason


def _event(interaction: Interaction, patient: str, reason: str, now: int) -> dict[str, object]:
    actor = interaction.actor
    grant = actor.grant if actor is not None else None
    return audit.entry(
        now,
        interaction.connection,
        actor.id if actor is not None else "",
        "E",
        "Patient",
        patient,
        None,
        interaction.request_id,
        patient=patient,
        address=interaction.address,
        kind="break-glass",
        query=reason,
        client=grant.client if grant is not None else "",
        grant=grant.id if grant is not None else "",
    )
