"""Says what one EHR is like, as data: what it offers of each type, what it asks of a search, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from fhirplan.sandbox.calls import Pairs
from fhirplan.sandbox.definitions import TYPES

IfMatch = Literal["412", "409", "ignored"]
Unknown = Literal["error", "warning", "ignored"]
Precision = Literal["", "instant", "date"]

PUBLISHED: Final = "the vendor's published CapabilityStatement and documentation, harvested in August 2026"
FIELD_NOTES: Final = "field notes of open projects, harvested in August 2026"
BACKGROUND: Final = "background knowledge; no source was at hand"
NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an EHR does: in words, when that was so, and where it is said."""

    said: str
    date: str
    source: str = PUBLISHED


@dataclass(frozen=True, slots=True)
class Offer:
    """What an EHR offers for one resource type.

    ``interactions`` are codes of http://hl7.org/fhir/restful-interaction, ``search`` the parameters it knows besides
    ``_id``. Of each group in ``required`` a search must have one; ``values`` are the only codes that a parameter takes;
    ``refused`` parameters are an error; a ``paired`` one stands twice, with ge and with le; ``single`` ones take one
    value. ``narrowed`` is added to every search without a word, and a resource with an element of ``left_out`` is in
    none. Elements of ``hidden`` are never shown. ``patched`` are the JSON Patch paths that may be changed, and
    ``also_reads`` the types that a token must be able to read besides this one. ``family`` picks among an EHR's
    codes for one meaning.
    """

    interactions: frozenset[str]
    search: tuple[str, ...] = ()
    last_updated: Precision = ""
    required: tuple[tuple[str, ...], ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NONE)
    refused: tuple[str, ...] = ()
    paired: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    narrowed: Pairs = ()
    left_out: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    patched: tuple[str, ...] = ()
    also_reads: tuple[str, ...] = ()
    family: int = 0


@dataclass(frozen=True, slots=True)
class Persona:
    """One kind of EHR. ``whole`` says that it is the sandbox's own open server, which offers everything it can.

    ``unknown`` is what becomes of a search parameter it does not know, and ``page`` the name of its paging parameter.
    ``exclusive`` parameters may not stand together; with ``id_alone`` a search by ``_id`` ignores all others. At most
    ``cap`` results of a search are given. ``repeats`` brings the last resource of a page again on the next one.
    ``codes`` are its own codes for a meaning, in ``code_system``. ``tokens_at`` is where it gives tokens.
    """

    name: str
    software: str
    title: str
    facts: Mapping[str, Fact]
    types: Mapping[str, Offer] = field(default_factory=lambda: MappingProxyType({}))
    whole: bool = False
    if_match: IfMatch = "ignored"
    unknown: Unknown = "error"
    unknown_include: Unknown = "error"
    page: str = "_page"
    includes: tuple[str, ...] = ()
    revincludes: tuple[str, ...] = ()
    exclusive: tuple[tuple[str, str], ...] = ()
    id_alone: bool = False
    cap: int | None = None
    repeats: bool = False
    post_ignores_query: bool = False
    refuses_modifier_extensions: bool = False
    refuses_duplicates: bool = False
    silent_406: bool = False
    code_system: str = ""
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NONE)
    tokens_at: str = "/auth/token"

    def code(self, meaning: str, family: int = 0) -> str:
        """This EHR's own code for a meaning, "" when it has none."""
        listed = self.codes.get(meaning, ())
        return listed[min(family, len(listed) - 1)] if listed else ""


def interactions(listed: str) -> frozenset[str]:
    """The interactions of a line such as ``read search update``."""
    return frozenset("search-type" if word == "search" else word for word in listed.split())


def supporting(names: Iterable[str]) -> dict[str, Offer]:
    """Types that are read and searched by all the parameters the sandbox knows for them."""
    return {name: Offer(interactions("read search"), tuple(TYPES[name])) for name in names}


US_CORE: Final = (
    "AllergyIntolerance",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Location",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
)
"""Types that certified EHRs let a third party read and search."""

READ: Final = interactions("read search")
_READ_ONLY_SUPPORT: Final = Fact(
    "The other types of US Core are read and searched; what is not stated of them is as in R4.", "2026", BACKGROUND
)
_NO_HISTORY: Final = Fact("There is no history and no read of earlier versions.", "2026", BACKGROUND)
_NO_SORT: Final = Fact("_sort has no effect.", "August 2026", FIELD_NOTES)
NO_CONDITIONS: Final = Fact(
    "There is no conditional create and no transaction: If-None-Exist has no effect, and a Bundle is not taken.",
    "August 2026",
)
UNKNOWN_IGNORED: Final = Fact(
    "What becomes of an unknown parameter is not stated; here it is ignored, as R4 lets a server do.",
    "2026",
    BACKGROUND,
)
OF_EVERY_VENDOR: Final[Mapping[str, Fact]] = MappingProxyType(
    {"no-sort": _NO_SORT, "no-history": _NO_HISTORY, "supporting-types": _READ_ONLY_SUPPORT}
)
"""What holds of every vendor that is played here, whatever else does."""
