"""PractitionerRole: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

PRACTITIONER_ROLE: Final = ResourceSpec(
    "PractitionerRole",
    search=(
        SearchParameter(
            "active",
            "token",
            "PractitionerRole.active",
            (),
            "Whether this practitioner role record is in active use",
            R4 + "PractitionerRole-active",
        ),
        SearchParameter(
            "date",
            "date",
            "PractitionerRole.period",
            (),
            "The period during which the practitioner is authorized to perform in these role(s)",
            R4 + "PractitionerRole-date",
        ),
        SearchParameter(
            "email",
            "token",
            "PractitionerRole.telecom.where(system='email')",
            (),
            "A value in an email contact",
            R4 + "individual-email",
        ),
        SearchParameter(
            "endpoint",
            "reference",
            "PractitionerRole.endpoint",
            ("Endpoint",),
            "Technical endpoints providing access to services operated for the practitioner with this role",
            R4 + "PractitionerRole-endpoint",
        ),
        SearchParameter(
            "identifier",
            "token",
            "PractitionerRole.identifier",
            (),
            "A practitioner's Identifier",
            R4 + "PractitionerRole-identifier",
        ),
        SearchParameter(
            "location",
            "reference",
            "PractitionerRole.location",
            ("Location",),
            "One of the locations at which this practitioner provides care",
            R4 + "PractitionerRole-location",
        ),
        SearchParameter(
            "organization",
            "reference",
            "PractitionerRole.organization",
            ("Organization",),
            "The identity of the organization the practitioner represents / acts on behalf of",
            R4 + "PractitionerRole-organization",
        ),
        SearchParameter(
            "phone",
            "token",
            "PractitionerRole.telecom.where(system='phone')",
            (),
            "A value in a phone contact",
            R4 + "individual-phone",
        ),
        SearchParameter(
            "practitioner",
            "reference",
            "PractitionerRole.practitioner",
            ("Practitioner",),
            "Practitioner that is able to provide the defined services for the organization",
            R4 + "PractitionerRole-practitioner",
        ),
        SearchParameter(
            "role",
            "token",
            "PractitionerRole.code",
            (),
            "The practitioner can perform this role at for the organization",
            R4 + "PractitionerRole-role",
        ),
        SearchParameter(
            "service",
            "reference",
            "PractitionerRole.healthcareService",
            ("HealthcareService",),
            "The list of healthcare services that this worker provides for this role's Organization/Location(s)",
            R4 + "PractitionerRole-service",
        ),
        SearchParameter(
            "specialty",
            "token",
            "PractitionerRole.specialty",
            (),
            "The practitioner has this specialty at an organization",
            R4 + "PractitionerRole-specialty",
        ),
        SearchParameter(
            "telecom",
            "token",
            "PractitionerRole.telecom",
            (),
            "The value in any kind of contact",
            R4 + "individual-telecom",
        ),
    ),
)
