"""Patient: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

PATIENT: Final = ResourceSpec(
    "Patient",
    search=(
        SearchParameter(
            "active", "token", "Patient.active", (), "Whether the patient record is active", R4 + "Patient-active"
        ),
        SearchParameter(
            "address",
            "string",
            "Patient.address",
            (),
            "Any part of an address",
            R4 + "individual-address",
        ),
        SearchParameter(
            "address-city",
            "string",
            "Patient.address.city",
            (),
            "A city specified in an address",
            R4 + "individual-address-city",
        ),
        SearchParameter(
            "address-country",
            "string",
            "Patient.address.country",
            (),
            "A country specified in an address",
            R4 + "individual-address-country",
        ),
        SearchParameter(
            "address-postalcode",
            "string",
            "Patient.address.postalCode",
            (),
            "A postalCode specified in an address",
            R4 + "individual-address-postalcode",
        ),
        SearchParameter(
            "address-state",
            "string",
            "Patient.address.state",
            (),
            "A state specified in an address",
            R4 + "individual-address-state",
        ),
        SearchParameter(
            "address-use",
            "token",
            "Patient.address.use",
            (),
            "A use code specified in an address",
            R4 + "individual-address-use",
            "http://hl7.org/fhir/address-use",
        ),
        SearchParameter(
            "birthdate", "date", "Patient.birthDate", (), "The patient's date of birth", R4 + "individual-birthdate"
        ),
        SearchParameter(
            "death-date",
            "date",
            "(Patient.deceased as dateTime)",
            (),
            "The date of death has been provided and satisfies this search value",
            R4 + "Patient-death-date",
        ),
        SearchParameter(
            "deceased",
            "token",
            "Patient.deceased.exists() and Patient.deceased != false",
            (),
            "This patient has been marked as deceased, or as a death date entered",
            R4 + "Patient-deceased",
        ),
        SearchParameter(
            "email",
            "token",
            "Patient.telecom.where(system='email')",
            (),
            "A value in an email contact",
            R4 + "individual-email",
        ),
        SearchParameter(
            "family",
            "string",
            "Patient.name.family",
            (),
            "A portion of the family name of the patient",
            R4 + "individual-family",
        ),
        SearchParameter(
            "gender",
            "token",
            "Patient.gender",
            (),
            "Gender of the patient",
            R4 + "individual-gender",
            "http://hl7.org/fhir/administrative-gender",
        ),
        SearchParameter(
            "general-practitioner",
            "reference",
            "Patient.generalPractitioner",
            ("Practitioner", "Organization", "PractitionerRole"),
            "Patient's nominated general practitioner, not the organization that manages the record",
            R4 + "Patient-general-practitioner",
        ),
        SearchParameter(
            "given",
            "string",
            "Patient.name.given",
            (),
            "A portion of the given name of the patient",
            R4 + "individual-given",
        ),
        SearchParameter(
            "identifier", "token", "Patient.identifier", (), "A patient identifier", R4 + "Patient-identifier"
        ),
        SearchParameter(
            "language", "token", "Patient.communication.language", (), "Language code", R4 + "Patient-language"
        ),
        SearchParameter(
            "link",
            "reference",
            "Patient.link.other",
            ("Patient", "RelatedPerson"),
            "All patients linked to the given patient",
            R4 + "Patient-link",
        ),
        SearchParameter(
            "name",
            "string",
            "Patient.name",
            (),
            "Any part of a name",
            R4 + "Patient-name",
        ),
        SearchParameter(
            "organization",
            "reference",
            "Patient.managingOrganization",
            ("Organization",),
            "The organization that is the custodian of the patient record",
            R4 + "Patient-organization",
        ),
        SearchParameter(
            "phone",
            "token",
            "Patient.telecom.where(system='phone')",
            (),
            "A value in a phone contact",
            R4 + "individual-phone",
        ),
        SearchParameter(
            "phonetic",
            "string",
            "Patient.name",
            (),
            "A portion of either family or given name using some kind of phonetic matching algorithm",
            R4 + "individual-phonetic",
        ),
        SearchParameter(
            "telecom",
            "token",
            "Patient.telecom",
            (),
            "The value in any kind of telecom details of the patient",
            R4 + "individual-telecom",
        ),
    ),
)
