"""Declares the MEDITECH Greenfield persona: reads, two creates, and parameters ignored without a word."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fhirplan.sandbox.persona import (
    BACKGROUND,
    NO_CONDITIONS,
    NO_HISTORY,
    NO_SORT,
    READ_ONLY_SUPPORT,
    US_CORE,
    Fact,
    Offer,
    Persona,
    interactions,
    supporting,
)

_WHEN: Final = "August 2026"
_READ: Final = interactions("read search")
_CREATABLE: Final = ("Communication", "QuestionnaireResponse")

MEDITECH: Final = Persona(
    name="meditech",
    software="MEDITECH Greenfield",
    title="The sandbox as MEDITECH Greenfield, with synthetic data",
    unknown="ignored",
    unknown_include="ignored",
    page="continue",
    types={
        **supporting(US_CORE),
        **{
            type_: replace(offer, interactions=interactions("read search create"))
            for type_, offer in supporting(_CREATABLE).items()
        },
        "CarePlan": Offer(_READ, ("patient", "subject", "category", "status", "date")),
        "Goal": Offer(_READ, ("patient", "lifecycle-status", "target-date"), required=(("patient",),)),
        "CareTeam": Offer(_READ, ("patient", "subject", "status")),
        "Task": Offer(interactions("read")),
    },
    facts={
        "plans-goals-teams-read-only": Fact("CarePlan, Goal, CareTeam: read and search.", _WHEN),
        "task-read-by-id": Fact("Task is read by id, and not searched.", _WHEN),
        "other-writes": Fact("Communication and QuestionnaireResponse are written (here: created).", _WHEN),
        "no-last-updated": Fact("_lastUpdated is not searched.", _WHEN),
        "paging-parameter": Fact("The paging parameter is continue.", _WHEN),
        "goal-needs-patient": Fact("A Goal search needs patient.", _WHEN),
        "no-conditions": NO_CONDITIONS,
        "unknown-parameter-ignored": Fact(
            "What becomes of an unknown parameter is not stated; here it is ignored, as R4 lets a server do.",
            "2026",
            BACKGROUND,
        ),
        "no-sort": NO_SORT,
        "no-history": NO_HISTORY,
        "supporting-types": READ_ONLY_SUPPORT,
    },
)
