"""Provenance: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, R4, ResourceSpec, SearchParameter

_PATIENT: Final = (
    "Provenance.extension.where(url = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Provenance.patient').value"
)

PROVENANCE: Final = ResourceSpec(
    "Provenance",
    patient=("Provenance.target", _PATIENT),
    search=(
        SearchParameter(
            "agent",
            "reference",
            "Provenance.agent.who",
            ("Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
            "Who participated",
            R4 + "Provenance-agent",
        ),
        SearchParameter(
            "agent-role", "token", "Provenance.agent.role", (), "What the agents role was", R4 + "Provenance-agent-role"
        ),
        SearchParameter(
            "agent-type",
            "token",
            "Provenance.agent.type",
            (),
            "How the agent participated",
            R4 + "Provenance-agent-type",
        ),
        SearchParameter(
            "entity", "reference", "Provenance.entity.what", (), "Identity of entity", R4 + "Provenance-entity"
        ),
        SearchParameter(
            "location",
            "reference",
            "Provenance.location",
            ("Location",),
            "Where the activity occurred, if relevant",
            R4 + "Provenance-location",
        ),
        SearchParameter(
            "patient",
            "reference",
            f"Provenance.target.where(resolve() is Patient) | {_PATIENT}",
            ("Patient",),
            "Whose record it is about: a patient as target, or as the extension of R5's Provenance.patient",
            OURS + "Provenance-patient",
        ),
        SearchParameter(
            "recorded",
            "date",
            "Provenance.recorded",
            (),
            "When the activity was recorded / updated",
            R4 + "Provenance-recorded",
        ),
        SearchParameter(
            "signature-type",
            "token",
            "Provenance.signature.type",
            (),
            "Indication of the reason the entity signed the object(s)",
            R4 + "Provenance-signature-type",
        ),
        SearchParameter(
            "target", "reference", "Provenance.target", (), "Target Reference(s)", R4 + "Provenance-target"
        ),
        SearchParameter(
            "when",
            "date",
            "(Provenance.occurred as dateTime)",
            (),
            "When the activity occurred",
            R4 + "Provenance-when",
        ),
    ),
)
