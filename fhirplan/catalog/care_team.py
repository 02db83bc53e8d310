"""CareTeam: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, PROFILES, R4, ResourceSpec, SearchParameter

CARE_TEAM: Final = ResourceSpec(
    "CareTeam",
    profile=PROFILES + "case-management-careteam",
    patient=("CareTeam.subject",),
    search=(
        SearchParameter("category", "token", "CareTeam.category", (), "Type of team", R4 + "CareTeam-category"),
        SearchParameter("date", "date", "CareTeam.period", (), "Time period team covers", R4 + "clinical-date"),
        SearchParameter(
            "encounter",
            "reference",
            "CareTeam.encounter",
            ("Encounter",),
            "Encounter created as part of",
            R4 + "CareTeam-encounter",
        ),
        SearchParameter(
            "identifier", "token", "CareTeam.identifier", (), "External Ids for this team", R4 + "clinical-identifier"
        ),
        SearchParameter(
            "participant",
            "reference",
            "CareTeam.participant.member",
            ("Practitioner", "Organization", "CareTeam", "Patient", "PractitionerRole", "RelatedPerson"),
            "Who is involved",
            R4 + "CareTeam-participant",
        ),
        SearchParameter(
            "patient",
            "reference",
            "CareTeam.subject.where(resolve() is Patient)",
            ("Patient",),
            "Who care team is for",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "role",
            "token",
            "CareTeam.participant.role",
            (),
            "What a member does in the team",
            OURS + "cm-careteam-role",
        ),
        SearchParameter(
            "status",
            "token",
            "CareTeam.status",
            (),
            "The status",
            R4 + "CareTeam-status",
            "http://hl7.org/fhir/care-team-status",
        ),
        SearchParameter(
            "subject",
            "reference",
            "CareTeam.subject",
            ("Group", "Patient"),
            "Who care team is for",
            R4 + "CareTeam-subject",
        ),
    ),
)
