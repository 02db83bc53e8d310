"""Declares what the sandbox EHR serves: resource types and their search parameters (R4 4.0.1, search parameters)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["code", "token", "reference", "date"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: where its values are, and for a reference which target types it takes ("()" for any).

    ``code`` is a primitive (code or boolean) whose system is implied; ``token`` a Coding, CodeableConcept or
    Identifier; ``reference`` a literal Reference; ``date`` a date, dateTime or Period.
    """

    code: str
    kind: Kind
    path: tuple[str, ...]
    targets: tuple[str, ...] = ()


def _read(kind: Kind, listed: str) -> list[Parameter]:
    """The parameters of a line such as ``status condition=addresses``; a path left out is the code in camel case."""
    made = []
    for item in listed.split():
        code, _, path = item.partition("=")
        path = path or re.sub(r"-([a-z])", lambda found: found[1].upper(), code)
        made.append(Parameter(code, kind, tuple(path.split(".")), ("Patient",) if code == "patient" else ()))
    return made


def _type(codes: str = "", tokens: str = "", references: str = "", dates: str = "") -> Mapping[str, Parameter]:
    found = _read("code", codes) + _read("token", tokens) + _read("reference", references) + _read("date", dates)
    return {parameter.code: parameter for parameter in sorted(found, key=lambda parameter: parameter.code)}


_ABOUT: Final = "patient=subject subject"

TYPES: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "ActivityDefinition": _type("status", "identifier"),
    "AllergyIntolerance": _type("", "clinical-status code identifier", "patient"),
    "Appointment": _type(
        "status",
        "identifier service-category service-type specialty",
        "patient=participant.actor actor=participant.actor based-on",
    ),
    "Basic": _type("", "code identifier", f"{_ABOUT} author"),
    "CarePlan": _type(
        "status intent",
        "category identifier",
        f"{_ABOUT} care-team goal based-on part-of replaces encounter condition=addresses"
        " activity-reference=activity.reference performer=activity.detail.performer",
        "date=period",
    ),
    "CareTeam": _type(
        "status", "category identifier", f"{_ABOUT} encounter participant=participant.member", "date=period"
    ),
    "Communication": _type(
        "status", "category identifier medium", f"{_ABOUT} based-on part-of encounter recipient sender"
    ),
    "CommunicationRequest": _type(
        "status priority", "category identifier", f"{_ABOUT} based-on encounter recipient replaces requester sender"
    ),
    "Condition": _type("", "category clinical-status code identifier verification-status", f"{_ABOUT} encounter"),
    "Consent": _type(
        "status",
        "category identifier scope",
        "patient actor=provision.actor.reference consentor=performer organization",
    ),
    "Coverage": _type(
        "status", "identifier type", "patient=beneficiary beneficiary payor policy-holder=policyHolder subscriber"
    ),
    "Device": _type("status", "identifier type", "patient organization=owner location"),
    "DeviceRequest": _type(
        "status intent", "identifier code=codeCodeableConcept", f"{_ABOUT} based-on encounter requester performer"
    ),
    "DiagnosticReport": _type("status", "category code identifier", f"{_ABOUT} based-on encounter performer result"),
    "DocumentReference": _type(
        "status",
        "category identifier type",
        f"{_ABOUT} author custodian encounter=context.encounter related=context.related",
    ),
    "Encounter": _type(
        "status",
        "class identifier type",
        f"{_ABOUT} appointment based-on diagnosis=diagnosis.condition episode-of-care location=location.location"
        " part-of participant=participant.individual service-provider",
    ),
    "EpisodeOfCare": _type("status", "identifier type", "patient care-manager organization=managingOrganization"),
    "Flag": _type("", "identifier", f"{_ABOUT} author encounter"),
    "Goal": _type(
        "lifecycle-status",
        "achievement-status category identifier",
        _ABOUT,
        "start-date=startDate target-date=target.dueDate",
    ),
    "Group": _type("type", "identifier code", "member=member.entity managing-entity"),
    "HealthcareService": _type(
        "active",
        "identifier service-category=category service-type=type specialty",
        "organization=providedBy location",
    ),
    "List": _type("status", "code identifier", f"{_ABOUT} encounter item=entry.item source"),
    "Location": _type("status", "identifier type", "organization=managingOrganization partof=partOf"),
    "MedicationRequest": _type(
        "status intent", "category code=medicationCodeableConcept identifier", f"{_ABOUT} encounter requester"
    ),
    "MedicationStatement": _type(
        "status", "category code=medicationCodeableConcept identifier", f"{_ABOUT} context part-of"
    ),
    "Observation": _type(
        "status",
        "category code identifier",
        f"{_ABOUT} based-on derived-from encounter focus has-member part-of performer",
    ),
    "Organization": _type("active", "identifier type", "partof=partOf"),
    "Patient": _type(
        "active gender", "identifier", "general-practitioner link=link.other organization=managingOrganization"
    ),
    "PlanDefinition": _type("status", "identifier type"),
    "Practitioner": _type("active gender", "identifier"),
    "PractitionerRole": _type(
        "active", "identifier role=code specialty", "location organization practitioner service=healthcareService"
    ),
    "Procedure": _type("status", "category code identifier", f"{_ABOUT} based-on encounter part-of"),
    "Provenance": _type("", "", "patient=target agent=agent.who entity=entity.what location target"),
    "Questionnaire": _type("status", "identifier"),
    "QuestionnaireResponse": _type("status", "identifier", f"{_ABOUT} author based-on encounter part-of source"),
    "RelatedPerson": _type("active", "identifier relationship", "patient"),
    "RiskAssessment": _type("", "identifier method", f"{_ABOUT} condition encounter performer"),
    "ServiceRequest": _type(
        "status intent priority",
        "category code identifier performer-type requisition",
        f"{_ABOUT} based-on encounter performer replaces requester",
    ),
    "Task": _type(
        "status intent priority",
        "business-status code group-identifier identifier performer=performerType",
        "patient=for subject=for based-on encounter focus owner part-of requester",
    ),
}
