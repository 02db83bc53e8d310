"""MEDITECH Greenfield: goals by patient, Task by id only, Communication and QuestionnaireResponse as the writes."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import Asking, Fact, Vendor

_WHEN: Final = "August 2026"

MEDITECH: Final = Vendor(
    name="meditech",
    software=("meditech",),
    facts=(
        Fact("CarePlan, Goal, CareTeam: read and search. Task is read by id and not searched.", _WHEN),
        Fact("A Goal search needs patient.", _WHEN),
        Fact("_lastUpdated is not searched; the paging parameter is continue.", _WHEN),
        Fact("Communication and QuestionnaireResponse are written.", _WHEN),
    ),
    asking={"Goal": Asking("patient")},
)
