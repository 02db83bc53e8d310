"""OpenEMR: reads of plans, goals and teams; its writes are arriving, so the CapabilityStatement decides."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import Fact, Vendor

OPENEMR: Final = Vendor(
    name="openemr",
    software=("openemr",),
    facts=(
        Fact("CarePlan, Goal, CareTeam are read; writes are arriving.", "August 2026"),
        Fact("If-Match is not heeded.", "August 2026"),
    ),
    unsafe_if_match=True,
)
