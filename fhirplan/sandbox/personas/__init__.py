"""The EHRs that the sandbox can play, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.personas.athena import ATHENA, ATHENA_PRACTICE
from fhirplan.sandbox.personas.epic import EPIC, EPIC_OLDER
from fhirplan.sandbox.personas.meditech import MEDITECH
from fhirplan.sandbox.personas.open import OPEN
from fhirplan.sandbox.personas.oracle import ORACLE

PERSONAS: Final[Mapping[str, Persona]] = {
    persona.name: persona for persona in (OPEN, EPIC, EPIC_OLDER, ORACLE, ATHENA, ATHENA_PRACTICE, MEDITECH)
}
