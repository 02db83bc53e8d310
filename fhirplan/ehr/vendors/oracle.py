"""Oracle Health Millennium: strict searches by patient and category, no activity shown, 409 for a stale update."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import BACKGROUND, Asking, Fact, Vendor

_WHEN: Final = "August 2026"

ORACLE: Final = Vendor(
    name="oracle",
    software=("oracle", "cerner", "millennium"),
    facts=(
        Fact("CarePlan, Goal, CareTeam: read and search. There is no Task.", _WHEN),
        Fact("A CarePlan search needs category=assess-plan, unless by _id.", _WHEN),
        Fact("A search of plans, goals and teams needs the patient.", _WHEN, BACKGROUND),
        Fact("date is taken only as a ge and le pair, so it is not used to find changes.", _WHEN),
        Fact("_lastUpdated is searched on 12 types, not on these.", _WHEN),
        Fact("CarePlan.activity is never returned; the narrative has it.", _WHEN),
        Fact("CareTeam needs the scopes CareTeam.read and Encounter.read.", _WHEN),
        Fact("The same resource can come again on a later page.", _WHEN),
        Fact("If-Match is documented for update; a stale one gives 409.", _WHEN),
    ),
    asking={
        "CarePlan": Asking("patient", (("category", "assess-plan"),)),
        "Goal": Asking("patient"),
        "CareTeam": Asking("patient"),
    },
)
