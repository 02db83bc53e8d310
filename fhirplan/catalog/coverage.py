"""Coverage: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

COVERAGE: Final = ResourceSpec(
    "Coverage",
    patient=("Coverage.beneficiary",),
    search=(
        SearchParameter(
            "beneficiary",
            "reference",
            "Coverage.beneficiary",
            ("Patient",),
            "Covered party",
            R4 + "Coverage-beneficiary",
        ),
        SearchParameter("class-type", "token", "Coverage.class.type", (), "Coverage class", R4 + "Coverage-class-type"),
        SearchParameter(
            "class-value", "string", "Coverage.class.value", (), "Value of the class", R4 + "Coverage-class-value"
        ),
        SearchParameter("dependent", "string", "Coverage.dependent", (), "Dependent number", R4 + "Coverage-dependent"),
        SearchParameter(
            "identifier",
            "token",
            "Coverage.identifier",
            (),
            "The primary identifier of the insured and the coverage",
            R4 + "Coverage-identifier",
        ),
        SearchParameter(
            "patient",
            "reference",
            "Coverage.beneficiary",
            ("Patient",),
            "Retrieve coverages for a patient",
            R4 + "Coverage-patient",
        ),
        SearchParameter(
            "payor",
            "reference",
            "Coverage.payor",
            ("Organization", "Patient", "RelatedPerson"),
            "The identity of the insurer or party paying for services",
            R4 + "Coverage-payor",
        ),
        SearchParameter(
            "policy-holder",
            "reference",
            "Coverage.policyHolder",
            ("Organization", "Patient", "RelatedPerson"),
            "Reference to the policyholder",
            R4 + "Coverage-policy-holder",
        ),
        SearchParameter(
            "status",
            "token",
            "Coverage.status",
            (),
            "The status of the Coverage",
            R4 + "Coverage-status",
            "http://hl7.org/fhir/fm-status",
        ),
        SearchParameter(
            "subscriber",
            "reference",
            "Coverage.subscriber",
            ("Patient", "RelatedPerson"),
            "Reference to the subscriber",
            R4 + "Coverage-subscriber",
        ),
        SearchParameter("type", "token", "Coverage.type", (), "The kind of coverage", R4 + "Coverage-type"),
    ),
)
