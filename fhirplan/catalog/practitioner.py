"""Practitioner: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

PRACTITIONER: Final = ResourceSpec(
    "Practitioner",
    search=(
        SearchParameter(
            "active",
            "token",
            "Practitioner.active",
            (),
            "Whether the practitioner record is active",
            R4 + "Practitioner-active",
        ),
        SearchParameter(
            "address",
            "string",
            "Practitioner.address",
            (),
            "Any part of an address",
            R4 + "individual-address",
        ),
        SearchParameter(
            "address-city",
            "string",
            "Practitioner.address.city",
            (),
            "A city specified in an address",
            R4 + "individual-address-city",
        ),
        SearchParameter(
            "address-country",
            "string",
            "Practitioner.address.country",
            (),
            "A country specified in an address",
            R4 + "individual-address-country",
        ),
        SearchParameter(
            "address-postalcode",
            "string",
            "Practitioner.address.postalCode",
            (),
            "A postalCode specified in an address",
            R4 + "individual-address-postalcode",
        ),
        SearchParameter(
            "address-state",
            "string",
            "Practitioner.address.state",
            (),
            "A state specified in an address",
            R4 + "individual-address-state",
        ),
        SearchParameter(
            "address-use",
            "token",
            "Practitioner.address.use",
            (),
            "A use code specified in an address",
            R4 + "individual-address-use",
            "http://hl7.org/fhir/address-use",
        ),
        SearchParameter(
            "communication",
            "token",
            "Practitioner.communication",
            (),
            "One of the languages that the practitioner can communicate with",
            R4 + "Practitioner-communication",
        ),
        SearchParameter(
            "email",
            "token",
            "Practitioner.telecom.where(system='email')",
            (),
            "A value in an email contact",
            R4 + "individual-email",
        ),
        SearchParameter(
            "family", "string", "Practitioner.name.family", (), "A portion of the family name", R4 + "individual-family"
        ),
        SearchParameter(
            "gender",
            "token",
            "Practitioner.gender",
            (),
            "Gender of the practitioner",
            R4 + "individual-gender",
            "http://hl7.org/fhir/administrative-gender",
        ),
        SearchParameter(
            "given", "string", "Practitioner.name.given", (), "A portion of the given name", R4 + "individual-given"
        ),
        SearchParameter(
            "identifier",
            "token",
            "Practitioner.identifier",
            (),
            "A practitioner's Identifier",
            R4 + "Practitioner-identifier",
        ),
        SearchParameter(
            "name",
            "string",
            "Practitioner.name",
            (),
            "Any part of a name",
            R4 + "Practitioner-name",
        ),
        SearchParameter(
            "phone",
            "token",
            "Practitioner.telecom.where(system='phone')",
            (),
            "A value in a phone contact",
            R4 + "individual-phone",
        ),
        SearchParameter(
            "phonetic",
            "string",
            "Practitioner.name",
            (),
            "A portion of either family or given name using some kind of phonetic matching algorithm",
            R4 + "individual-phonetic",
        ),
        SearchParameter(
            "telecom",
            "token",
            "Practitioner.telecom",
            (),
            "The value in any kind of contact",
            R4 + "individual-telecom",
        ),
    ),
)
