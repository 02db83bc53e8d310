"""The EHR vendors we know, by name, and which of them an EHR is by its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhirplan.ehr.vendors.athena import ATHENA
from fhirplan.ehr.vendors.epic import EPIC
from fhirplan.ehr.vendors.meditech import MEDITECH
from fhirplan.ehr.vendors.open import OPEN
from fhirplan.ehr.vendors.openemr import OPENEMR
from fhirplan.ehr.vendors.oracle import ORACLE
from fhirplan.ehr.vendors.vendor import Vendor

VENDORS: Final[Mapping[str, Vendor]] = {
    vendor.name: vendor for vendor in (OPEN, EPIC, ORACLE, ATHENA, MEDITECH, OPENEMR)
}


def vendor_of(software: str, chosen: str = "") -> Vendor:
    """The vendor of that name, else the one whose software names itself so; ``open`` where nobody does."""
    if chosen:
        return VENDORS[chosen]
    told = software.lower()
    return next((v for v in VENDORS.values() if any(word in told for word in v.software)), OPEN)
