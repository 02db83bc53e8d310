"""Consent: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

CONSENT: Final = ResourceSpec(
    "Consent",
    patient=("Consent.patient",),
    search=(
        SearchParameter(
            "action", "token", "Consent.provision.action", (), "Actions controlled by this rule", R4 + "Consent-action"
        ),
        SearchParameter(
            "actor",
            "reference",
            "Consent.provision.actor.reference",
            (
                "Practitioner",
                "Group",
                "Organization",
                "CareTeam",
                "Device",
                "Patient",
                "PractitionerRole",
                "RelatedPerson",
            ),
            "Resource for the actor",
            R4 + "Consent-actor",
        ),
        SearchParameter(
            "category",
            "token",
            "Consent.category",
            (),
            "Classification of the consent statement - for indexing/retrieval",
            R4 + "Consent-category",
        ),
        SearchParameter(
            "consentor",
            "reference",
            "Consent.performer",
            ("Practitioner", "Organization", "Patient", "PractitionerRole", "RelatedPerson"),
            "Who is agreeing to the policy and rules",
            R4 + "Consent-consentor",
        ),
        SearchParameter(
            "data",
            "reference",
            "Consent.provision.data.reference",
            (),
            "The actual data reference",
            R4 + "Consent-data",
        ),
        SearchParameter(
            "date", "date", "Consent.dateTime", (), "When this Consent was created or indexed", R4 + "clinical-date"
        ),
        SearchParameter(
            "identifier", "token", "Consent.identifier", (), "Identifier for this record", R4 + "clinical-identifier"
        ),
        SearchParameter(
            "organization",
            "reference",
            "Consent.organization",
            ("Organization",),
            "Custodian of the consent",
            R4 + "Consent-organization",
        ),
        SearchParameter(
            "patient",
            "reference",
            "Consent.patient",
            ("Patient",),
            "Who the consent applies to",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "period", "date", "Consent.provision.period", (), "Timeframe for this rule", R4 + "Consent-period"
        ),
        SearchParameter(
            "purpose",
            "token",
            "Consent.provision.purpose",
            (),
            "Context of activities covered by this rule",
            R4 + "Consent-purpose",
        ),
        SearchParameter(
            "scope", "token", "Consent.scope", (), "Which of the four areas this resource covers", R4 + "Consent-scope"
        ),
        SearchParameter(
            "security-label",
            "token",
            "Consent.provision.securityLabel",
            (),
            "Security Labels that define affected resources",
            R4 + "Consent-security-label",
        ),
        SearchParameter(
            "source-reference",
            "reference",
            "Consent.source",
            ("Consent", "Contract", "QuestionnaireResponse", "DocumentReference"),
            "Search by reference to a Consent, DocumentReference, Contract  or QuestionnaireResponse",
            R4 + "Consent-source-reference",
        ),
        SearchParameter(
            "status",
            "token",
            "Consent.status",
            (),
            "The status",
            R4 + "Consent-status",
            "http://hl7.org/fhir/consent-state-codes",
        ),
    ),
)
