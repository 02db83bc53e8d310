"""Turns a stored assessment into findings, needs and suggestions: QuestionnaireResponse/[id]/$extract (SDC)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fhirplan.access.decide import decide
from fhirplan.coordination.assessment.answers import QUESTIONNAIRE, is_assessment
from fhirplan.coordination.assessment.extract import Extract
from fhirplan.coordination.assessment.extract import extract as extracted
from fhirplan.coordination.case import is_case_management
from fhirplan.coordination.elements import local, target, word
from fhirplan.coordination.world import World
from fhirplan.errors import InvalidResource, MalformedRequest, NotFound
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.fhir.resource import version_id
from fhirplan.interactions.bundles.transaction import Read
from fhirplan.interactions.bundles.transaction import transaction as carry_out
from fhirplan.interactions.operations.applying import as_transaction, permit, seen
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.seen_record import seen_record
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply

_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})
_OPTIONAL: Final = ("Condition", "Goal", "Task", "RiskAssessment", "Patient")
_TOUCHES: Final[Mapping[str, str]] = {
    "QuestionnaireResponse": "r",
    "Observation": "rcu",
    "Condition": "rscu",
    "Goal": "rcu",
    "Task": "rcu",
    "RiskAssessment": "rcu",
    "CarePlan": "rsu",
}


def extract(services: Services, interaction: Interaction, reads: dict[str, Read]) -> Reply:
    """200 with the transaction that the answers lead to, or with its response where ``store`` is true.

    What was made of the same response before is left as it is, and what ``leaveOut`` names is not made. Raises
    NotFound, MalformedRequest, NotPermitted, InvalidResource for a response to another questionnaire or about no
    patient, and what its transaction raises.
    """
    listed = inputs(services, interaction)
    given = dict(listed)
    left_out = _left_out(value for name, value in listed if name == "leaveOut")
    if given.get("store", "false") not in ("true", "false"):
        raise MalformedRequest(f"store is {given['store'][:20]!r}; it is true or false.", expression="http.store")
    decide(interaction.actor, "read", interaction.type, services.settings.auth)
    with services.database.read() as tx:
        record = seen_record(services, tx, interaction)
        response = record.get(f"QuestionnaireResponse/{interaction.id}")
        if response is None:
            raise NotFound(f"There is no QuestionnaireResponse/{interaction.id} here.")
        patient = _patient(response)
        permit(interaction.actor, patient, _TOUCHES)
        plan = _plan(record, patient, given.get("plan", ""))
        made = extracted(response, record, plan, services.rules.local(services.clock()), left_out)
        if any(item["resourceType"] == "Patient" for item in made.changed):
            permit(interaction.actor, patient, {"Patient": "ru"})
        bundle = _bundle(made, record)
    seen(services, interaction, reads, (response, *made.changed))
    if given.get("store") != "true" or not bundle["entry"]:
        return Reply(200, dumps(bundle))
    return carry_out(services, as_transaction(interaction, bundle), bundle, reads)


def _left_out(named: Iterable[str]) -> frozenset[str]:
    """What is not wanted; raises MalformedRequest for what cannot be left out."""
    found = frozenset(named)
    for ref in found:
        if ref.partition("/")[0] not in _OPTIONAL:
            raise MalformedRequest(
                f"leaveOut is {ref[:80]!r}; it is {', '.join(f'{item}/[id]' for item in _OPTIONAL)}. Findings are kept "
                "as they were answered.",
                expression="http.leaveOut",
            )
    return found


def _patient(response: Resource) -> str:
    if not is_assessment(response):
        raise InvalidResource(
            f"This is no response to {QUESTIONNAIRE}, the only one that is known here how to read.",
            expression="QuestionnaireResponse.questionnaire",
        )
    patient = target(response.get("subject"))
    if not patient.startswith("Patient/"):
        raise InvalidResource(
            "The response says of no patient of ours whom it is about.", expression="QuestionnaireResponse.subject"
        )
    return patient


def _plan(record: World, patient: str, named: str) -> Resource | None:
    """The plan that takes up what is found: the one that is named, or the patient's only one in force or in draft."""
    if named:
        ref = named if "/" in named else f"CarePlan/{named}"
        found = record.get(ref) if ref.startswith("CarePlan/") else None
        if found is None or target(found.get("subject")) != patient:
            raise NotFound(f"There is no {ref[:80]} of {patient} here.")
        return found
    listed = [
        plan for plan in record.of_patient(patient, "CarePlan") if is_case_management(plan) and word(plan) not in _ENDED
    ]
    return listed[0] if len(listed) == 1 else None


def _bundle(made: Extract, record: World) -> Resource:
    entries = []
    for item in (*made.made, *made.changed):
        request = {"method": "PUT", "url": local(item)}
        stored = record.get(local(item))
        if stored is not None:
            request["ifMatch"] = f'W/"{version_id(stored)}"'
        entries.append({"fullUrl": f"urn:fhirplan:{local(item)}", "resource": item, "request": request})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
