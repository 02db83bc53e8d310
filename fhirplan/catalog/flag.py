"""Flag: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, R4, ResourceSpec, SearchParameter

FLAG: Final = ResourceSpec(
    "Flag",
    patient=("Flag.subject",),
    search=(
        SearchParameter(
            "author",
            "reference",
            "Flag.author",
            ("Practitioner", "Organization", "Device", "Patient", "PractitionerRole"),
            "Flag creator",
            R4 + "Flag-author",
        ),
        SearchParameter("category", "token", "Flag.category", (), "What kind of flag it is", OURS + "cm-flag-category"),
        SearchParameter("code", "token", "Flag.code", (), "What it warns of", OURS + "cm-flag-code"),
        SearchParameter("date", "date", "Flag.period", (), "Time period when flag is active", R4 + "clinical-date"),
        SearchParameter(
            "encounter",
            "reference",
            "Flag.encounter",
            ("Encounter", "EpisodeOfCare"),
            "Alert relevant during encounter",
            R4 + "clinical-encounter",
        ),
        SearchParameter("identifier", "token", "Flag.identifier", (), "Business identifier", R4 + "Flag-identifier"),
        SearchParameter(
            "patient",
            "reference",
            "Flag.subject.where(resolve() is Patient)",
            ("Patient",),
            "The identity of a subject to list flags for",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "status",
            "token",
            "Flag.status",
            (),
            "Whether it is in force",
            OURS + "cm-flag-status",
            "http://hl7.org/fhir/flag-status",
        ),
        SearchParameter(
            "subject",
            "reference",
            "Flag.subject",
            (
                "Practitioner",
                "Group",
                "Organization",
                "Medication",
                "Patient",
                "PlanDefinition",
                "Procedure",
                "Location",
            ),
            "The identity of a subject to list flags for",
            R4 + "Flag-subject",
        ),
    ),
)
