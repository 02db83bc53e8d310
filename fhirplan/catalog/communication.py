"""Communication: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, R4, ResourceSpec, SearchParameter

COMMUNICATION: Final = ResourceSpec(
    "Communication",
    patient=("Communication.subject",),
    search=(
        SearchParameter(
            "based-on",
            "reference",
            "Communication.basedOn",
            (),
            "Request fulfilled by this communication",
            R4 + "Communication-based-on",
        ),
        SearchParameter(
            "category", "token", "Communication.category", (), "Message category", R4 + "Communication-category"
        ),
        SearchParameter(
            "encounter",
            "reference",
            "Communication.encounter",
            ("Encounter",),
            "Encounter created as part of",
            R4 + "Communication-encounter",
        ),
        SearchParameter(
            "identifier", "token", "Communication.identifier", (), "Unique identifier", R4 + "Communication-identifier"
        ),
        SearchParameter(
            "instantiates-canonical",
            "reference",
            "Communication.instantiatesCanonical",
            ("Questionnaire", "Measure", "PlanDefinition", "OperationDefinition", "ActivityDefinition"),
            "Instantiates FHIR protocol or definition",
            R4 + "Communication-instantiates-canonical",
        ),
        SearchParameter(
            "instantiates-uri",
            "uri",
            "Communication.instantiatesUri",
            (),
            "Instantiates external protocol or definition",
            R4 + "Communication-instantiates-uri",
        ),
        SearchParameter(
            "medium", "token", "Communication.medium", (), "A channel of communication", R4 + "Communication-medium"
        ),
        SearchParameter(
            "outcome",
            "token",
            "Communication.extension.where(url = 'http://fhirplan.dev/fhir/StructureDefinition/cm-contact-outcome').value",
            (),
            "What came of a contact",
            OURS + "cm-communication-outcome",
        ),
        SearchParameter(
            "part-of", "reference", "Communication.partOf", (), "Part of this action", R4 + "Communication-part-of"
        ),
        SearchParameter(
            "patient",
            "reference",
            "Communication.subject.where(resolve() is Patient)",
            ("Patient",),
            "Focus of message",
            R4 + "Communication-patient",
        ),
        SearchParameter(
            "received", "date", "Communication.received", (), "When received", R4 + "Communication-received"
        ),
        SearchParameter(
            "recipient",
            "reference",
            "Communication.recipient",
            (
                "Practitioner",
                "Group",
                "Organization",
                "CareTeam",
                "Device",
                "Patient",
                "HealthcareService",
                "PractitionerRole",
                "RelatedPerson",
            ),
            "Message recipient",
            R4 + "Communication-recipient",
        ),
        SearchParameter(
            "sender",
            "reference",
            "Communication.sender",
            (
                "Practitioner",
                "Organization",
                "Device",
                "Patient",
                "HealthcareService",
                "PractitionerRole",
                "RelatedPerson",
            ),
            "Message sender",
            R4 + "Communication-sender",
        ),
        SearchParameter("sent", "date", "Communication.sent", (), "When sent", R4 + "Communication-sent"),
        SearchParameter(
            "status",
            "token",
            "Communication.status",
            (),
            "The status",
            R4 + "Communication-status",
            "http://hl7.org/fhir/event-status",
        ),
        SearchParameter(
            "subject",
            "reference",
            "Communication.subject",
            ("Group", "Patient"),
            "Focus of message",
            R4 + "Communication-subject",
        ),
        SearchParameter(
            "topic", "token", "Communication.topic", (), "What it is about", OURS + "cm-communication-topic"
        ),
    ),
)
