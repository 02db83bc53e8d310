"""Declares the Oracle Health Millennium persona: strict searches, repeated resources, 409 for a stale update."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fhirplan.sandbox.persona import (
    BACKGROUND,
    NO_CONDITIONS,
    OF_EVERY_VENDOR,
    READ,
    US_CORE,
    Fact,
    Offer,
    Persona,
    interactions,
    supporting,
)

_WHEN: Final = "August 2026"
_PATIENT: Final = (("patient", "subject"),)
_WRITES: Final = {
    "DocumentReference": "read search create update",
    "Communication": "read search create update patch",
    "Condition": "read search create update",
    "Observation": "read search create update",
    "QuestionnaireResponse": "read search update",
    "Basic": "read create",
    "Provenance": "read search create",
}

ORACLE: Final = Persona(
    name="oracle",
    software="Oracle Health Millennium",
    title="The sandbox as Oracle Health Millennium, with synthetic data",
    if_match="409",
    unknown="error",
    unknown_include="error",
    page="-pageContext",
    repeats=True,
    refuses_modifier_extensions=True,
    silent_406=True,
    tokens_at="/tenants/sandbox/protocols/oauth2/profiles/smart-v1/token",
    types={
        **supporting(US_CORE),
        **{
            type_: replace(offer, interactions=interactions(_WRITES[type_]))
            for type_, offer in supporting(_WRITES).items()
        },
        "Communication": replace(
            supporting(("Communication",))["Communication"],
            interactions=interactions(_WRITES["Communication"]),
            patched=("/status",),
        ),
        "CarePlan": Offer(
            READ,
            ("patient", "subject", "category", "status", "date"),
            required=(*_PATIENT, ("category",)),
            values={"category": ("assess-plan",)},
            paired=("date",),
            hidden=("activity",),
        ),
        "Goal": Offer(READ, ("patient", "subject", "category", "target-date"), required=_PATIENT),
        "CareTeam": Offer(
            READ, ("patient", "subject", "category", "status"), required=_PATIENT, also_reads=("Encounter",)
        ),
    },
    facts={
        "plans-goals-teams-read-only": Fact("CarePlan, Goal, CareTeam: read and search.", _WHEN),
        "no-task": Fact("There is no Task.", _WHEN),
        "other-writes": Fact(
            "DocumentReference, Communication, Condition and Observation are written (here: created and updated), "
            "QuestionnaireResponse updated, Basic created, Provenance written (here: created).",
            _WHEN,
        ),
        "no-last-updated": Fact(
            "_lastUpdated is searched on 12 types, not on CarePlan, Goal, CareTeam or Task; the 12 are not at hand, so "
            "here on none.",
            _WHEN,
        ),
        "category-required": Fact("A CarePlan search needs category=assess-plan, unless by _id.", _WHEN),
        "patient-required": Fact(
            "A search of CarePlan, Goal or CareTeam needs the patient, unless by _id.", "2026", BACKGROUND
        ),
        "date-pair": Fact("date is taken only as a pair with ge and le.", _WHEN),
        "no-activity": Fact("CarePlan.activity is never returned; the narrative in text.div has it.", _WHEN),
        "team-needs-encounter-scope": Fact("CareTeam needs the scopes CareTeam.read and Encounter.read.", _WHEN),
        "no-lifecycle-status": Fact("Goal has no lifecycle-status parameter.", _WHEN),
        "repeated-on-next-page": Fact("The same resource can come again on a later page.", _WHEN),
        "unknown-modifier-extension": Fact("An unknown modifier extension gives 422 (here: every one).", _WHEN),
        "silent-406": Fact("An Accept that is not JSON gives 406 with an empty body.", _WHEN),
        "listed-patch": Fact(
            "JSON Patch works on listed paths only and wants a test first. The list is not at hand; here "
            "Communication /status.",
            _WHEN,
        ),
        "no-includes": Fact("_include and _revinclude are an error.", _WHEN),
        "stale-update-409": Fact("If-Match is documented for update; a stale one gives 409.", _WHEN),
        "tenant-in-path": Fact("SMART, with the tenant in the path.", _WHEN),
        "no-conditions": NO_CONDITIONS,
        "unknown-parameter-refused": Fact("A parameter that it does not know is an error.", "2026", BACKGROUND),
        **OF_EVERY_VENDOR,
    },
)
