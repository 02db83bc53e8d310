"""Open R4 servers such as HAPI and Medplum: what their CapabilityStatement says is all there is to know."""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.vendors.vendor import FIELD_NOTES, Fact, Vendor

OPEN: Final = Vendor(
    name="open",
    software=(),
    facts=(
        Fact("All interactions, _lastUpdated, conditional create, transactions, If-Match with 412.", "August 2026"),
        Fact("_sort was honoured by none that was reviewed.", "August 2026", FIELD_NOTES),
    ),
)
