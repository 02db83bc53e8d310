"""List: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

LIST: Final = ResourceSpec(
    "List",
    patient=("List.subject",),
    search=(
        SearchParameter("code", "token", "List.code", (), "What the purpose of this list is", R4 + "clinical-code"),
        SearchParameter("date", "date", "List.date", (), "When the list was prepared", R4 + "clinical-date"),
        SearchParameter("empty-reason", "token", "List.emptyReason", (), "Why list is empty", R4 + "List-empty-reason"),
        SearchParameter(
            "encounter",
            "reference",
            "List.encounter",
            ("Encounter", "EpisodeOfCare"),
            "Context in which list created",
            R4 + "clinical-encounter",
        ),
        SearchParameter(
            "identifier", "token", "List.identifier", (), "Business identifier", R4 + "clinical-identifier"
        ),
        SearchParameter("item", "reference", "List.entry.item", (), "Actual entry", R4 + "List-item"),
        SearchParameter("notes", "string", "List.note.text", (), "The annotation  - text content", R4 + "List-notes"),
        SearchParameter(
            "patient",
            "reference",
            "List.subject.where(resolve() is Patient)",
            ("Patient",),
            "If all resources have the same subject",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "source",
            "reference",
            "List.source",
            ("Practitioner", "Device", "Patient", "PractitionerRole"),
            "Who and/or what defined the list contents",
            R4 + "List-source",
        ),
        SearchParameter(
            "status", "token", "List.status", (), "The status", R4 + "List-status", "http://hl7.org/fhir/list-status"
        ),
        SearchParameter(
            "subject",
            "reference",
            "List.subject",
            ("Group", "Device", "Patient", "Location"),
            "If all resources have the same subject",
            R4 + "List-subject",
        ),
        SearchParameter("title", "string", "List.title", (), "Descriptive name for the list", R4 + "List-title"),
    ),
)
