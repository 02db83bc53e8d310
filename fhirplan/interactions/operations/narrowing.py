"""Reads how an $everything is narrowed: by dates of care, by time of change, by type, and to a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fhirplan.catalog import CATALOG
from fhirplan.errors import InvalidSearch, MalformedRequest
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import BEGINNING, END, Span, span
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Parameters
from fhirplan.search.values import Extractor, extractor

PAGE: Final = "_page"
CARE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Appointment": ("date",),
        "CarePlan": ("date",),
        "CareTeam": ("date",),
        "Communication": ("sent", "received"),
        "Condition": ("onset-date", "abatement-date", "recorded-date"),
        "Consent": ("period", "date"),
        "DocumentReference": ("period", "date"),
        "Encounter": ("date",),
        "Flag": ("date",),
        "Goal": ("start-date", "target-date"),
        "List": ("date",),
        "Observation": ("date",),
        "QuestionnaireResponse": ("authored",),
        "RiskAssessment": ("date",),
        "ServiceRequest": ("occurrence", "authored"),
        "Task": ("period", "authored-on", "due"),
    }
)
"""The search parameters that tell when the care of a resource was or is to be given."""
MADE: Final = "write"
"""In a cursor: that it goes on among the Provenances that are made of writes."""
_CURSOR: Final = re.compile(r"([A-Za-z]+)\.(\d{1,18})", re.ASCII)
_ROWS: Final[Mapping[str, Extractor]] = MappingProxyType(
    {
        type_: extractor(item for item in CATALOG[type_].parameters if item.code in codes)
        for type_, codes in CARE.items()
    }
)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What is asked for: ``count`` resources after ``after``, of these ``types`` (all if empty), changed at or after
    ``since`` (ms), and of care in the span ``care`` (None for any)."""

    count: int
    since: int = 0
    types: frozenset[str] = frozenset()
    after: tuple[str, int] | None = None
    care: Span | None = None

    def holds(self, type_: str) -> bool:
        """Whether resources of a type are asked for."""
        return not self.types or type_ in self.types

    def in_care(self, type_: str, resource: Resource) -> bool:
        """Whether its care falls into the span; what tells no date of care, such as a person, always does."""
        if self.care is None or type_ not in _ROWS:
            return True
        spans = [Span(row[2][0], row[2][1]) for row in _ROWS[type_](resource)]
        if not spans:
            return True
        # From its first date to its last, so that a goal in force then is there, whenever it was begun.
        return self.care.overlaps(Span(min(item.low for item in spans), max(item.high for item in spans)))


def narrowed(services: Services, pairs: Parameters) -> Narrowed:
    """What the inputs of the operation ask for; raises MalformedRequest, InvalidSearch for a page of another one."""
    settings, given = services.settings, dict(pairs)
    text = given.get("_count", str(settings.default_count))
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or not int(text):
        raise MalformedRequest(f"_count is {text[:40]!r}; it is a whole number, 1 or more.", expression="http._count")
    since = _moment(given, "_since")
    begin, end = _moment(given, "start"), _moment(given, "end")
    if begin and end and end.high <= begin.low:
        raise MalformedRequest("end is before start, so that no care can be between them.", expression="http.end")
    care = Span(begin.low if begin else BEGINNING, end.high if end else END) if begin or end else None
    return Narrowed(min(int(text), settings.max_count), since.low if since else 0, _types(pairs), _after(given), care)


def _moment(given: Mapping[str, str], name: str) -> Span | None:
    text = given.get(name)
    found = span(text.replace(" ", "+")) if text is not None else None
    if found is None and text is not None:
        what = "an instant" if name == "_since" else "a date such as 2026-03-09"
        raise MalformedRequest(f"{name} is {text[:40]!r}; it is {what}.", expression=f"http.{name}")
    return found


def _types(pairs: Parameters) -> frozenset[str]:
    listed = [item.strip() for name, text in pairs if name == "_type" for item in text.split(",")]
    types = frozenset(item for item in listed if item)
    unknown = sorted(types - set(CATALOG))
    if unknown:
        raise MalformedRequest(
            f"_type names {unknown[0][:80]!r}. Served are: {', '.join(sorted(CATALOG))}.", expression="http._type"
        )
    return types


def _after(given: Mapping[str, str]) -> tuple[str, int] | None:
    text = given.get(PAGE)
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None or (found[1] not in CATALOG and found[1] != MADE):
        raise wrong_page()
    return found[1], int(found[2])


def wrong_page() -> InvalidSearch:
    """The error about a page that is none of the operation's."""
    return InvalidSearch("The page is none of this server's. Follow the next link as it is.", expression=PAGE)
