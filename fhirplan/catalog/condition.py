"""Condition: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, R4, ResourceSpec, SearchParameter

CONDITION: Final = ResourceSpec(
    "Condition",
    patient=("Condition.subject",),
    search=(
        SearchParameter(
            "abatement-age",
            "quantity",
            "Condition.abatement.as(Age) | Condition.abatement.as(Range)",
            (),
            "Abatement as age or age range",
            R4 + "Condition-abatement-age",
        ),
        SearchParameter(
            "abatement-date",
            "date",
            "Condition.abatement.as(dateTime) | Condition.abatement.as(Period)",
            (),
            "Date-related abatements",
            R4 + "Condition-abatement-date",
        ),
        SearchParameter(
            "abatement-string",
            "string",
            "Condition.abatement.as(string)",
            (),
            "Abatement as a string",
            R4 + "Condition-abatement-string",
        ),
        SearchParameter(
            "asserted-date",
            "date",
            "Condition.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').value",
            (),
            "When it was first asserted",
            OURS + "cm-condition-asserted-date",
        ),
        SearchParameter(
            "asserter",
            "reference",
            "Condition.asserter",
            ("Practitioner", "Patient", "PractitionerRole", "RelatedPerson"),
            "Person who asserts this condition",
            R4 + "Condition-asserter",
        ),
        SearchParameter(
            "body-site",
            "token",
            "Condition.bodySite",
            (),
            "Anatomical location, if relevant",
            R4 + "Condition-body-site",
        ),
        SearchParameter(
            "category", "token", "Condition.category", (), "The category of the condition", R4 + "Condition-category"
        ),
        SearchParameter(
            "clinical-status",
            "token",
            "Condition.clinicalStatus",
            (),
            "The clinical status of the condition",
            R4 + "Condition-clinical-status",
        ),
        SearchParameter("code", "token", "Condition.code", (), "Code for the condition", R4 + "clinical-code"),
        SearchParameter(
            "encounter",
            "reference",
            "Condition.encounter",
            ("Encounter",),
            "Encounter created as part of",
            R4 + "Condition-encounter",
        ),
        SearchParameter(
            "evidence", "token", "Condition.evidence.code", (), "Manifestation/symptom", R4 + "Condition-evidence"
        ),
        SearchParameter(
            "evidence-detail",
            "reference",
            "Condition.evidence.detail",
            (),
            "Supporting information found elsewhere",
            R4 + "Condition-evidence-detail",
        ),
        SearchParameter(
            "identifier",
            "token",
            "Condition.identifier",
            (),
            "A unique identifier of the condition record",
            R4 + "clinical-identifier",
        ),
        SearchParameter(
            "onset-age",
            "quantity",
            "Condition.onset.as(Age) | Condition.onset.as(Range)",
            (),
            "Onsets as age or age range",
            R4 + "Condition-onset-age",
        ),
        SearchParameter(
            "onset-date",
            "date",
            "Condition.onset.as(dateTime) | Condition.onset.as(Period)",
            (),
            "Date related onsets",
            R4 + "Condition-onset-date",
        ),
        SearchParameter(
            "onset-info", "string", "Condition.onset.as(string)", (), "Onsets as a string", R4 + "Condition-onset-info"
        ),
        SearchParameter(
            "patient",
            "reference",
            "Condition.subject.where(resolve() is Patient)",
            ("Patient",),
            "Who has the condition?",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "recorded-date",
            "date",
            "Condition.recordedDate",
            (),
            "Date record was first recorded",
            R4 + "Condition-recorded-date",
        ),
        SearchParameter(
            "severity", "token", "Condition.severity", (), "The severity of the condition", R4 + "Condition-severity"
        ),
        SearchParameter("stage", "token", "Condition.stage.summary", (), "Simple summary", R4 + "Condition-stage"),
        SearchParameter(
            "subject",
            "reference",
            "Condition.subject",
            ("Group", "Patient"),
            "Who has the condition?",
            R4 + "Condition-subject",
        ),
        SearchParameter(
            "verification-status",
            "token",
            "Condition.verificationStatus",
            (),
            "The verification status",
            R4 + "Condition-verification-status",
        ),
    ),
)
