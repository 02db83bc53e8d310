"""RiskAssessment: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

RISK_ASSESSMENT: Final = ResourceSpec(
    "RiskAssessment",
    patient=("RiskAssessment.subject",),
    search=(
        SearchParameter(
            "condition",
            "reference",
            "RiskAssessment.condition",
            ("Condition",),
            "Condition assessed",
            R4 + "RiskAssessment-condition",
        ),
        SearchParameter(
            "date",
            "date",
            "(RiskAssessment.occurrence as dateTime)",
            (),
            "When was assessment made?",
            R4 + "clinical-date",
        ),
        SearchParameter(
            "encounter",
            "reference",
            "RiskAssessment.encounter",
            ("Encounter", "EpisodeOfCare"),
            "Where was assessment performed?",
            R4 + "clinical-encounter",
        ),
        SearchParameter(
            "identifier",
            "token",
            "RiskAssessment.identifier",
            (),
            "Unique identifier for the assessment",
            R4 + "clinical-identifier",
        ),
        SearchParameter(
            "method", "token", "RiskAssessment.method", (), "Evaluation mechanism", R4 + "RiskAssessment-method"
        ),
        SearchParameter(
            "patient",
            "reference",
            "RiskAssessment.subject.where(resolve() is Patient)",
            ("Patient",),
            "Who/what does assessment apply to?",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "performer",
            "reference",
            "RiskAssessment.performer",
            ("Practitioner", "Device", "PractitionerRole"),
            "Who did assessment?",
            R4 + "RiskAssessment-performer",
        ),
        SearchParameter(
            "probability",
            "number",
            "RiskAssessment.prediction.probability",
            (),
            "Likelihood of specified outcome",
            R4 + "RiskAssessment-probability",
        ),
        SearchParameter(
            "risk",
            "token",
            "RiskAssessment.prediction.qualitativeRisk",
            (),
            "Likelihood of specified outcome as a qualitative value",
            R4 + "RiskAssessment-risk",
        ),
        SearchParameter(
            "subject",
            "reference",
            "RiskAssessment.subject",
            ("Group", "Patient"),
            "Who/what does assessment apply to?",
            R4 + "RiskAssessment-subject",
        ),
    ),
)
