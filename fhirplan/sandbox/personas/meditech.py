"""Declares the MEDITECH Greenfield persona: reads, two creates, and parameters ignored without a word."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fhirplan.sandbox.persona import (
    NO_CONDITIONS,
    OF_EVERY_VENDOR,
    READ,
    UNKNOWN_IGNORED,
    US_CORE,
    Fact,
    Offer,
    Persona,
    interactions,
    supporting,
)

_WHEN: Final = "August 2026"
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
        "CarePlan": Offer(READ, ("patient", "subject", "category", "status", "date")),
        "Goal": Offer(READ, ("patient", "lifecycle-status", "target-date"), required=(("patient",),)),
        "CareTeam": Offer(READ, ("patient", "subject", "status")),
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
        "unknown-parameter-ignored": UNKNOWN_IGNORED,
        **OF_EVERY_VENDOR,
    },
)
