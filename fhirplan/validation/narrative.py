"""Says what is wrong with a narrative's markup (R4 section 2.4.0); the judgement is that of FHIRPath's htmlChecks()."""

from __future__ import annotations

from fhirplan.fhir.path.xhtml import problem
from fhirplan.fhir.structure import CORE
from fhirplan.validation.findings import Findings, Place


def check_div(value: str, place: Place, findings: Findings) -> None:
    """Says what is wrong with a narrative's div; rules txt-1 (allowed markup) and txt-2 (some content)."""
    found = problem(value)
    if found is not None:
        rule, text = found
        findings.error("invalid", text, place, rule, CORE + "Narrative")
