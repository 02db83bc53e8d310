"""Epic: one patient at a time, a category for plans, warnings where others refuse, Task update as the one own write."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import FIELD_NOTES, Asking, Fact, Vendor

EPIC: Final = Vendor(
    name="epic",
    software=("epic",),
    facts=(
        Fact("CarePlan, Goal, CareTeam: read and search. Task: read, search, update; no create.", "May 2026"),
        Fact("_lastUpdated is searched on no type; history is not offered.", "May 2026"),
        Fact("A CarePlan search needs category; patient and subject exclude each other.", "May 2026"),
        Fact("Older versions fail on more than one category.", "August 2026", FIELD_NOTES),
        Fact("An unknown parameter is only a warning inside a 200: 4122, 59100.", "May 2026"),
        Fact("A cap on results comes as outcome 4127, 59133.", "May 2026"),
        Fact("If-Match was not verified.", "May 2026"),
        Fact("A CareTeam search gives the longitudinal, active team.", "May 2026"),
        Fact("No 429 and no Retry-After are documented, so a client must throttle itself.", "May 2026"),
    ),
    asking={
        "CarePlan": Asking("patient", (("category", "assess-plan"),)),
        "Goal": Asking("patient"),
        "CareTeam": Asking("patient"),
        "Task": Asking("patient"),
    },
    meanings={"4122": "ignored", "59100": "ignored", "4127": "capped", "59133": "capped"},
    unsafe_if_match=True,
)
