"""Goal: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, PROFILES, R4, ResourceSpec, SearchParameter

GOAL: Final = ResourceSpec(
    "Goal",
    profile=PROFILES + "case-management-goal",
    patient=("Goal.subject",),
    search=(
        SearchParameter(
            "achievement-status",
            "token",
            "Goal.achievementStatus",
            (),
            "The achievement status",
            R4 + "Goal-achievement-status",
        ),
        SearchParameter(
            "category",
            "token",
            "Goal.category",
            (),
            "Treatment, dietary, behavioral and the like",
            R4 + "Goal-category",
        ),
        SearchParameter(
            "description",
            "token",
            "Goal.description",
            (),
            "What is to be reached, as a code",
            OURS + "cm-goal-description",
        ),
        SearchParameter(
            "identifier", "token", "Goal.identifier", (), "External Ids for this goal", R4 + "clinical-identifier"
        ),
        SearchParameter(
            "lifecycle-status",
            "token",
            "Goal.lifecycleStatus",
            (),
            "The lifecycle status",
            R4 + "Goal-lifecycle-status",
            "http://hl7.org/fhir/goal-status",
        ),
        SearchParameter(
            "patient",
            "reference",
            "Goal.subject.where(resolve() is Patient)",
            ("Patient",),
            "Who this goal is intended for",
            R4 + "clinical-patient",
        ),
        SearchParameter(
            "start-date", "date", "(Goal.start as date)", (), "When goal pursuit begins", R4 + "Goal-start-date"
        ),
        SearchParameter(
            "subject",
            "reference",
            "Goal.subject",
            ("Group", "Organization", "Patient"),
            "Who this goal is intended for",
            R4 + "Goal-subject",
        ),
        SearchParameter(
            "target-date", "date", "(Goal.target.due as date)", (), "Reach goal on or before", R4 + "Goal-target-date"
        ),
    ),
)
