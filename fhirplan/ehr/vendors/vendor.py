"""What one EHR vendor is like beyond its CapabilityStatement, as data: how it is searched, what its remarks mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Meaning = Literal["ignored", "capped"]
PUBLISHED: Final = "the vendor's published CapabilityStatement and documentation, harvested in August 2026"
FIELD_NOTES: Final = "field notes of open projects, harvested in August 2026"
BACKGROUND: Final = "background knowledge; no source was at hand"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a vendor does: in words, when that was so, and where it is said."""

    said: str
    date: str
    source: str = PUBLISHED


@dataclass(frozen=True, slots=True)
class Asking:
    """How a type is searched: whether one patient at a time and by which parameter, and what must be said besides.

    Each of ``each`` is a search of its own, since an EHR may take one value only.
    """

    by_patient: str = ""
    each: tuple[tuple[str, str], ...] = ()


EVERYTHING: Final = Asking()


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor. ``software`` are words its CapabilityStatement's software name contains, in small letters.

    ``by_day``: _lastUpdated is taken as a date only. ``meanings`` are the vendor's own outcome codes.
    ``unsafe_if_match``: whether it heeds If-Match is not known, so look first.
    """

    name: str
    software: tuple[str, ...]
    facts: tuple[Fact, ...]
    asking: Mapping[str, Asking] = field(default_factory=dict)
    by_day: bool = False
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    unsafe_if_match: bool = False

    def ask(self, type_: str) -> Asking:
        """How the type is searched there."""
        return self.asking.get(type_, EVERYTHING)
