"""Organization: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

ORGANIZATION: Final = ResourceSpec(
    "Organization",
    search=(
        SearchParameter(
            "active",
            "token",
            "Organization.active",
            (),
            "Is the Organization record active",
            R4 + "Organization-active",
        ),
        SearchParameter(
            "address",
            "string",
            "Organization.address",
            (),
            "Any part of an address",
            R4 + "Organization-address",
        ),
        SearchParameter(
            "address-city",
            "string",
            "Organization.address.city",
            (),
            "A city specified in an address",
            R4 + "Organization-address-city",
        ),
        SearchParameter(
            "address-country",
            "string",
            "Organization.address.country",
            (),
            "A country specified in an address",
            R4 + "Organization-address-country",
        ),
        SearchParameter(
            "address-postalcode",
            "string",
            "Organization.address.postalCode",
            (),
            "A postal code specified in an address",
            R4 + "Organization-address-postalcode",
        ),
        SearchParameter(
            "address-state",
            "string",
            "Organization.address.state",
            (),
            "A state specified in an address",
            R4 + "Organization-address-state",
        ),
        SearchParameter(
            "address-use",
            "token",
            "Organization.address.use",
            (),
            "A use code specified in an address",
            R4 + "Organization-address-use",
            "http://hl7.org/fhir/address-use",
        ),
        SearchParameter(
            "endpoint",
            "reference",
            "Organization.endpoint",
            ("Endpoint",),
            "Technical endpoints providing access to services operated for the organization",
            R4 + "Organization-endpoint",
        ),
        SearchParameter(
            "identifier",
            "token",
            "Organization.identifier",
            (),
            "Any identifier for the organization",
            R4 + "Organization-identifier",
        ),
        SearchParameter(
            "name",
            "string",
            "Organization.name | Organization.alias",
            (),
            "A portion of the organization's name or alias",
            R4 + "Organization-name",
        ),
        SearchParameter(
            "partof",
            "reference",
            "Organization.partOf",
            ("Organization",),
            "An organization of which this organization forms a part",
            R4 + "Organization-partof",
        ),
        SearchParameter(
            "phonetic",
            "string",
            "Organization.name",
            (),
            "A portion of the organization's name using some kind of phonetic matching algorithm",
            R4 + "Organization-phonetic",
        ),
        SearchParameter(
            "type", "token", "Organization.type", (), "A code for the type of organization", R4 + "Organization-type"
        ),
    ),
)
