"""Declares the Epic persona: reads and searches, Task update only, warnings where others refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fhirplan.sandbox.persona import (
    BACKGROUND,
    FIELD_NOTES,
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

CAP: Final = 1000
"""How many results one search gives at most; that there is a cap is known, its size differs by site."""
_ONE_PATIENT: Final = (("patient", "subject"),)
_WRITABLE: Final = (
    "Communication",
    "Condition",
    "DocumentReference",
    "Observation",
    "QuestionnaireResponse",
    "ServiceRequest",
)

EPIC: Final = Persona(
    name="epic",
    software="Epic",
    title="The sandbox as Epic, with synthetic data",
    if_match="ignored",
    unknown="warning",
    unknown_include="warning",
    page="sessionID",
    includes=("*",),
    revincludes=("Provenance:target",),
    exclusive=(("patient", "subject"),),
    id_alone=True,
    cap=CAP,
    post_ignores_query=True,
    refuses_duplicates=True,
    code_system="urn:oid:1.2.840.114350.1.13.0.1.7.2.657369",
    codes={
        "missing": ("4111", "59108"),
        "unknown": ("4122", "59100"),
        "capped": ("4127", "59133"),
        "expired": ("4113",),
        "break-the-glass": ("4130", "4131", "4134"),
        "tomorrow": ("4135",),
        "duplicate": ("59141",),
    },
    types={
        **supporting(US_CORE),
        **{
            type_: replace(offer, interactions=interactions("read search create"), family=1)
            for type_, offer in supporting(_WRITABLE).items()
        },
        "CarePlan": Offer(
            READ, ("patient", "subject", "category", "status", "encounter"), required=(*_ONE_PATIENT, ("category",))
        ),
        "Goal": Offer(
            READ, ("patient", "subject", "category", "lifecycle-status", "start-date"), required=_ONE_PATIENT, family=1
        ),
        "CareTeam": Offer(
            READ,
            ("patient", "subject", "status"),
            required=_ONE_PATIENT,
            narrowed=(("status", "active"),),
            left_out=("encounter",),
        ),
        "Task": Offer(
            interactions("read search update"),
            ("patient", "subject", "status", "code", "identifier", "owner", "focus", "based-on"),
            required=_ONE_PATIENT,
            family=1,
        ),
    },
    facts={
        "plans-goals-teams-read-only": Fact("CarePlan, Goal, CareTeam: read and search.", "May 2026"),
        "task-updated-never-created": Fact("Task: read, search and update; no create.", "May 2026"),
        "other-writes": Fact(
            "Communication, ServiceRequest, DocumentReference, QuestionnaireResponse, Observation and Condition are "
            "written (here: created).",
            "May 2026",
        ),
        "no-last-updated": Fact("_lastUpdated is searched on no type.", "May 2026"),
        "category-required": Fact("A CarePlan search needs category.", "May 2026"),
        "plans-share-one-endpoint": Fact("Several kinds of CarePlan share one endpoint; category picks.", "May 2026"),
        "patient-or-subject": Fact(
            "patient and subject exclude each other; a search of one patient's data needs one of them.", "May 2026"
        ),
        "id-alone": Fact("With _id all other parameters are ignored.", "May 2026"),
        "unknown-parameter-warns": Fact(
            "An unknown parameter is a warning OperationOutcome inside a 200 (4122, 59100). Which code stands for "
            "which type is not known; here both occur.",
            "May 2026",
        ),
        "required-parameter-missing": Fact("A required parameter that is missing is 4111 or 59108.", "May 2026"),
        "result-cap": Fact(
            f"A cap on results comes as outcome 4127 or 59133. Its size is not known; here {CAP}.", "May 2026"
        ),
        "expired-session": Fact("A page link whose session has expired is 4113.", "May 2026"),
        "break-the-glass": Fact("Break-the-Glass comes as 4130, 4131 or 4134 (fault outcome).", "May 2026"),
        "try-again-tomorrow": Fact("'Try again tomorrow' is 4135 (fault outcome).", "May 2026"),
        "duplicate-create": Fact(
            "A create of what is there already is 59141. What counts as the same is not known; here the same content.",
            "May 2026",
        ),
        "no-throttling": Fact("No 429 and no Retry-After are documented.", "May 2026"),
        "longitudinal-team": Fact(
            "A CareTeam search gives the longitudinal, active team (here: active, and of no encounter).", "May 2026"
        ),
        "post-search-form-only": Fact("POST _search ignores parameters in the query string.", "February 2026"),
        "includes": Fact("_include=* only; _revinclude of Provenance only.", "May 2026"),
        "no-conditions": replace(NO_CONDITIONS, date="May 2026"),
        "if-match-not-verified": Fact(
            "Whether If-Match is heeded was not verified; here it is not, the worse case.", "May 2026"
        ),
        "tokens": Fact("SMART v1 and v2 scopes; private_key_jwt with RS384.", "May 2026"),
        **OF_EVERY_VENDOR,
    },
)

EPIC_OLDER: Final = replace(
    EPIC,
    name="epic-older",
    title="The sandbox as an older Epic, with synthetic data",
    types={**EPIC.types, "CarePlan": replace(EPIC.types["CarePlan"], single=("category",))},
    facts={
        **EPIC.facts,
        "one-category": Fact("A search with more than one category fails.", "August 2026", FIELD_NOTES),
        "sites-differ": Fact("Two hospitals on one vendor differ.", "2026", BACKGROUND),
    },
)
