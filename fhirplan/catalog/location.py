"""Location: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

LOCATION: Final = ResourceSpec(
    "Location",
    search=(
        SearchParameter("address", "string", "Location.address", (), "A", R4 + "Location-address"),
        SearchParameter(
            "address-city",
            "string",
            "Location.address.city",
            (),
            "A city specified in an address",
            R4 + "Location-address-city",
        ),
        SearchParameter(
            "address-country",
            "string",
            "Location.address.country",
            (),
            "A country specified in an address",
            R4 + "Location-address-country",
        ),
        SearchParameter(
            "address-postalcode",
            "string",
            "Location.address.postalCode",
            (),
            "A postal code specified in an address",
            R4 + "Location-address-postalcode",
        ),
        SearchParameter(
            "address-state",
            "string",
            "Location.address.state",
            (),
            "A state specified in an address",
            R4 + "Location-address-state",
        ),
        SearchParameter(
            "address-use",
            "token",
            "Location.address.use",
            (),
            "A use code specified in an address",
            R4 + "Location-address-use",
            "http://hl7.org/fhir/address-use",
        ),
        SearchParameter(
            "endpoint",
            "reference",
            "Location.endpoint",
            ("Endpoint",),
            "Technical endpoints providing access to services operated for the location",
            R4 + "Location-endpoint",
        ),
        SearchParameter(
            "identifier",
            "token",
            "Location.identifier",
            (),
            "An identifier for the location",
            R4 + "Location-identifier",
        ),
        SearchParameter(
            "name",
            "string",
            "Location.name | Location.alias",
            (),
            "A portion of the location's name or alias",
            R4 + "Location-name",
        ),
        SearchParameter(
            "operational-status",
            "token",
            "Location.operationalStatus",
            (),
            "Searches for locations",
            R4 + "Location-operational-status",
        ),
        SearchParameter(
            "organization",
            "reference",
            "Location.managingOrganization",
            ("Organization",),
            "Searches for locations that are managed by the provided organization",
            R4 + "Location-organization",
        ),
        SearchParameter(
            "partof",
            "reference",
            "Location.partOf",
            ("Location",),
            "A location of which this location is a part",
            R4 + "Location-partof",
        ),
        SearchParameter(
            "status",
            "token",
            "Location.status",
            (),
            "Searches for locations with a specific kind of status",
            R4 + "Location-status",
            "http://hl7.org/fhir/location-status",
        ),
        SearchParameter("type", "token", "Location.type", (), "A code for the type of location", R4 + "Location-type"),
    ),
)
