"""What is declared of a resource type that we serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.search.definitions import COMMON, SearchParameter

__all__ = ["COMMON", "OURS", "PROFILES", "R4", "US_CORE", "ResourceSpec", "SearchParameter"]

# Where the canonical urls of SearchParameters and of our profiles begin.
R4: Final = "http://hl7.org/fhir/SearchParameter/"
OURS: Final = "http://fhirplan.dev/fhir/SearchParameter/"
US_CORE: Final = "http://hl7.org/fhir/us/core/SearchParameter/"
PROFILES: Final = "http://fhirplan.dev/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True, eq=False)
class ResourceSpec:
    """One resource type: what it is searched by, our profile of it, whose it is, which way it travels.

    ``search`` holds the type's own parameters, without the common ones. ``patient`` are the FHIRPaths of the reference
    elements that tell whose patient's the resource is; the first one that points to a Patient counts. ``sync`` is
    ``both`` where a change here is sent to the EHR, ``pull`` where it is only read from there, ``none`` for neither.
    Two declarations are never equal: one is made once, and is a cheap key for what is compiled from it.
    """

    type: str
    search: tuple[SearchParameter, ...] = ()
    profile: str = ""
    patient: tuple[str, ...] = ()
    sync: Literal["both", "pull", "none"] = "both"

    @property
    def parameters(self) -> tuple[SearchParameter, ...]:
        """All parameters it is searched by, the common ones first."""
        return (*COMMON, *self.search)

    def parameter(self, code: str) -> SearchParameter | None:
        """The parameter of that code, or None."""
        return next((item for item in self.parameters if item.code == code), None)
