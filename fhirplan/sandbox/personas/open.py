"""Declares the open persona: a FHIR R4 server that lets a client do everything, as HAPI and Medplum do."""

from __future__ import annotations

from typing import Final

from fhirplan.sandbox.persona import Fact, Persona

_SOURCE: Final = "HAPI FHIR and Medplum as published, harvested in August 2026"

OPEN: Final = Persona(
    name="open",
    software="fhirplan sandbox EHR",
    title="An open R4 EHR to test against, with synthetic data",
    whole=True,
    if_match="412",
    facts={
        "all-interactions": Fact("CarePlan, Goal, CareTeam and Task: all interactions.", "August 2026", _SOURCE),
        "last-updated": Fact("Every type is searched by _lastUpdated.", "August 2026", _SOURCE),
        "category-free": Fact("A CarePlan search needs no category.", "August 2026", _SOURCE),
        "includes": Fact("_include and _revinclude bring what they name.", "August 2026", _SOURCE),
        "conditions-and-transactions": Fact("Conditional create and transactions work.", "August 2026", _SOURCE),
        "stale-update-412": Fact("A stale If-Match is answered with 412.", "August 2026", _SOURCE),
    },
)
