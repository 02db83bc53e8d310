"""The Patient compartment: by which parameters a resource of each type belongs to a patient.

R4 CompartmentDefinition/patient 4.0.1, as far as its types are served. Task is not in it: that a task of a patient is
found there, by whom it is for, is ours, and the CapabilityStatement says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fhirplan.errors import NotSupported

PATIENT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Appointment": ("actor",),
        "CarePlan": ("patient", "performer"),
        "CareTeam": ("patient", "participant"),
        "Communication": ("subject", "sender", "recipient"),
        "Condition": ("patient", "asserter"),
        "Consent": ("patient",),
        "Coverage": ("policy-holder", "subscriber", "beneficiary", "payor"),
        "DocumentReference": ("subject", "author"),
        "Encounter": ("patient",),
        "Flag": ("patient",),
        "Goal": ("patient",),
        "List": ("subject", "source"),
        "Observation": ("subject", "performer"),
        "Patient": ("link",),
        "Provenance": ("patient",),
        "QuestionnaireResponse": ("subject", "author"),
        "RelatedPerson": ("patient",),
        "RiskAssessment": ("subject",),
        "ServiceRequest": ("subject", "performer"),
    }
)
# Served below a patient without being a member of the compartment.
BESIDE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"Task": ("patient",)})


def patient_parameters(type: str) -> tuple[str, ...]:
    """The parameters, one of which refers to the patient; raises NotSupported listing the types that have them."""
    found = PATIENT.get(type) or BESIDE.get(type)
    if found is None:
        raise NotSupported(
            f"{type[:80]} does not belong to a patient, so it is not searched below one. These do: "
            f"{', '.join(sorted([*PATIENT, *BESIDE]))}."
        )
    return found
