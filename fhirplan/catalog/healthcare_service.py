"""HealthcareService: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

HEALTHCARE_SERVICE: Final = ResourceSpec(
    "HealthcareService",
    search=(
        SearchParameter(
            "active",
            "token",
            "HealthcareService.active",
            (),
            "The Healthcare Service is currently marked as active",
            R4 + "HealthcareService-active",
        ),
        SearchParameter(
            "characteristic",
            "token",
            "HealthcareService.characteristic",
            (),
            "One of the HealthcareService's characteristics",
            R4 + "HealthcareService-characteristic",
        ),
        SearchParameter(
            "coverage-area",
            "reference",
            "HealthcareService.coverageArea",
            ("Location",),
            "Location(s) service is intended for/available to",
            R4 + "HealthcareService-coverage-area",
        ),
        SearchParameter(
            "endpoint",
            "reference",
            "HealthcareService.endpoint",
            ("Endpoint",),
            "Technical endpoints providing access to electronic services operated for the healthcare service",
            R4 + "HealthcareService-endpoint",
        ),
        SearchParameter(
            "identifier",
            "token",
            "HealthcareService.identifier",
            (),
            "External identifiers for this item",
            R4 + "HealthcareService-identifier",
        ),
        SearchParameter(
            "location",
            "reference",
            "HealthcareService.location",
            ("Location",),
            "The location of the Healthcare Service",
            R4 + "HealthcareService-location",
        ),
        SearchParameter(
            "name",
            "string",
            "HealthcareService.name",
            (),
            "A portion of the Healthcare service name",
            R4 + "HealthcareService-name",
        ),
        SearchParameter(
            "organization",
            "reference",
            "HealthcareService.providedBy",
            ("Organization",),
            "The organization that provides this Healthcare Service",
            R4 + "HealthcareService-organization",
        ),
        SearchParameter(
            "program",
            "token",
            "HealthcareService.program",
            (),
            "One of the Programs supported by this HealthcareService",
            R4 + "HealthcareService-program",
        ),
        SearchParameter(
            "service-category",
            "token",
            "HealthcareService.category",
            (),
            "Service Category of the Healthcare Service",
            R4 + "HealthcareService-service-category",
        ),
        SearchParameter(
            "service-type",
            "token",
            "HealthcareService.type",
            (),
            "The type of service provided by this healthcare service",
            R4 + "HealthcareService-service-type",
        ),
        SearchParameter(
            "specialty",
            "token",
            "HealthcareService.specialty",
            (),
            "The specialty of the service provided by this healthcare service",
            R4 + "HealthcareService-specialty",
        ),
    ),
)
