"""Declares the athenaOne persona: _lastUpdated by day, cursor paging, and next to no writes."""

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

ATHENA: Final = Persona(
    name="athena",
    software="athenahealth athenaOne",
    title="The sandbox as athenaOne, with synthetic data",
    unknown="ignored",
    unknown_include="ignored",
    page="cursor",
    types={
        **{type_: replace(offer, last_updated="date") for type_, offer in supporting(US_CORE).items()},
        "QuestionnaireResponse": replace(
            supporting(("QuestionnaireResponse",))["QuestionnaireResponse"],
            interactions=interactions("read search create"),
            last_updated="date",
        ),
        "CarePlan": Offer(
            READ,
            ("patient", "subject", "category", "status"),
            last_updated="date",
            required=(("category",),),
            values={"category": ("assess-plan",)},
        ),
        "Goal": Offer(READ, ("patient", "subject", "lifecycle-status", "target-date"), last_updated="date"),
        "CareTeam": Offer(READ, ("patient", "subject", "status"), last_updated="date", refused=("category", "name")),
    },
    facts={
        "plans-goals-teams-read-only": Fact("CarePlan, Goal, CareTeam: read and search.", _WHEN),
        "no-task": Fact("There is no Task.", _WHEN),
        "other-writes": Fact("QuestionnaireResponse is created; nothing else is written.", _WHEN),
        "last-updated-by-day": Fact(
            "_lastUpdated is searched, in date precision (here: an instant is refused).", _WHEN
        ),
        "category-assess-plan": Fact(
            "CarePlan category is assess-plan (read strictly here: needed, unless by _id, and nothing else).", _WHEN
        ),
        "cursor-paging": Fact("Pages are led to by a cursor.", _WHEN),
        "team-refuses-category-and-name": Fact("A CareTeam search refuses category and name.", _WHEN),
        "practice-parameter": Fact("The parameter ah-practice is taken with every search.", _WHEN),
        "no-conditions": NO_CONDITIONS,
        "unknown-parameter-ignored": UNKNOWN_IGNORED,
        **OF_EVERY_VENDOR,
    },
)

ATHENA_PRACTICE: Final = replace(
    ATHENA,
    name="athena-practice",
    software="athenahealth athenaPractice",
    title="The sandbox as athenaPractice or athenaFlow, with synthetic data",
    types={type_: replace(offer, interactions=READ) for type_, offer in ATHENA.types.items()},
    facts={
        **{key: fact for key, fact in ATHENA.facts.items() if key != "other-writes"},
        "no-writes": Fact("Practice and Flow refuse create and update.", _WHEN),
    },
)
