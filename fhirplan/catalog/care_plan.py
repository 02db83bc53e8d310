"""CarePlan: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, PROFILES, R4, ResourceSpec, SearchParameter

CARE_PLAN: Final = ResourceSpec(
    "CarePlan",
    profile=PROFILES + "case-management-careplan",
    patient=("CarePlan.subject",),
    search=(
        SearchParameter(
            "activity-code",
            "token",
            "CarePlan.activity.detail.code",
            (),
            "Detail type of activity",
            R4 + "CarePlan-activity-code",
        ),
        SearchParameter(
            "activity-date",
            "date",
            "CarePlan.activity.detail.scheduled",
            (),
            "Specified date occurs within period specified by CarePlan.activity.detail.scheduled[x]",
            R4 + "CarePlan-activity-date",
        ),
        SearchParameter(
            "activity-reference",
            "reference",
            "CarePlan.activity.reference",
            (
                "Appointment",
                "MedicationRequest",
                "Task",
                "NutritionOrder",
                "RequestGroup",
                "VisionPrescription",
                "DeviceRequest",
                "ServiceRequest",
                "CommunicationRequest",
            ),
            "Activity details defined in specific resource",
            R4 + "CarePlan-activity-reference",
        ),
        SearchParameter(
            "acuity",
            "token",
            "CarePlan.extension.where(url = 'http://fhirplan.dev/fhir/StructureDefinition/cm-acuity').value",
            (),
            "How much care the patient needs",
            OURS + "cm-careplan-acuity",
        ),
        SearchParameter(
            "based-on", "reference", "CarePlan.basedOn", ("CarePlan",), "Fulfills CarePlan", R4 + "CarePlan-based-on"
        ),
        SearchParameter(
            "care-team",
            "reference",
            "CarePlan.careTeam",
            ("CareTeam",),
            "Who's involved in plan?",
            R4 + "CarePlan-care-team",
        ),
        SearchParameter("category", "token", "CarePlan.category", (), "Type of plan", R4 + "CarePlan-category"),
        SearchParameter(
            "condition",
            "reference",
            "CarePlan.addresses",
            ("Condition",),
            "Health issues this plan addresses",
            R4 + "CarePlan-condition",
        ),
        SearchParameter("date", "date", "CarePlan.period", (), "Time period plan covers", R4 + "clinical-date"),
        SearchParameter(
            "encounter",
            "reference",
            "CarePlan.encounter",
            ("Encounter",),
            "Encounter created as part of",
            R4 + "CarePlan-encounter",
        ),
        SearchParameter(
            "goal", "reference", "CarePlan.goal", ("Goal",), "Desired outcome of plan", R4 + "CarePlan-goal"
        ),
        SearchParameter(
            "identifier", "token", "CarePlan.identifier", (), "External Ids for this plan", R4 + "clinical-identifier"
        ),
        SearchParameter(
            "instantiates-canonical",
            "reference",
            "CarePlan.instantiatesCanonical",
            ("Questionnaire", "Measure", "PlanDefinition", "OperationDefinition", "ActivityDefinition"),
            "Instantiates FHIR protocol or definition",
            R4 + "CarePlan-instantiates-canonical",
        ),
        SearchParameter(
            "instantiates-uri",
            "uri",
            "CarePlan.instantiatesUri",
            (),
            "Instantiates external protocol or definition",
            R4 + "CarePlan-instantiates-uri",
        ),
        SearchParameter(
            "intent",
            "token",
            "CarePlan.intent",
            (),
            "The intent",
            R4 + "CarePlan-intent",
            "http://hl7.org/fhir/request-intent",
        ),
        SearchParameter(
            "part-of",
            "reference",
            "CarePlan.partOf",
            ("CarePlan",),
            "Part of referenced CarePlan",
            R4 + "CarePlan-part-of",
        ),
        SearchParameter(
            "patient",
            "reference",
            "CarePlan.subject.where(resolve() is Patient)",
            ("Patient",),
            "Who the care plan is for",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "performer",
            "reference",
            "CarePlan.activity.detail.performer",
            (
                "Practitioner",
                "Organization",
                "CareTeam",
                "Device",
                "Patient",
                "HealthcareService",
                "PractitionerRole",
                "RelatedPerson",
            ),
            'Matches if the practitioner is listed as a performer in any of the "simple" activities',
            R4 + "CarePlan-performer",
        ),
        SearchParameter(
            "replaces",
            "reference",
            "CarePlan.replaces",
            ("CarePlan",),
            "CarePlan replaced by this CarePlan",
            R4 + "CarePlan-replaces",
        ),
        SearchParameter(
            "status",
            "token",
            "CarePlan.status",
            (),
            "The status",
            R4 + "CarePlan-status",
            "http://hl7.org/fhir/request-status",
        ),
        SearchParameter(
            "subject",
            "reference",
            "CarePlan.subject",
            ("Group", "Patient"),
            "Who the care plan is for",
            R4 + "CarePlan-subject",
        ),
    ),
)
