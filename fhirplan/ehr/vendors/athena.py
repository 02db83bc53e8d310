"""athenaOne: _lastUpdated by day, a category for plans, and QuestionnaireResponse as the only write."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import Asking, Fact, Vendor

_WHEN: Final = "August 2026"

ATHENA: Final = Vendor(
    name="athena",
    software=("athena",),
    facts=(
        Fact("CarePlan, Goal, CareTeam: read and search. There is no Task.", _WHEN),
        Fact("_lastUpdated is searched in date precision.", _WHEN),
        Fact("CarePlan category is assess-plan.", _WHEN),
        Fact("A CareTeam search refuses category and name.", _WHEN),
        Fact("QuestionnaireResponse is created; Practice and Flow refuse create and update.", _WHEN),
    ),
    asking={"CarePlan": Asking(each=(("category", "assess-plan"),))},
    by_day=True,
)
