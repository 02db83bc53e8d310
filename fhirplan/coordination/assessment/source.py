"""What all things made of one response say alike: whose, by whom and when; and the id that each question gives."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirplan.fhir.codec import Resource

SCREENING: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"


@dataclass(frozen=True, slots=True)
class Source:
    """A response and what its things say alike; ``written`` is when it was answered, ``who`` who answered or asked."""

    response: str
    patient: str
    who: str
    written: str
    now: datetime
    plan: Resource | None

    def id(self, key: str) -> str:
        """The id of what a question of this response leads to, so that it is known again."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.response}#{key}"))


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}
