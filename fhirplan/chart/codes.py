"""The choices a form offers: codes of our own systems with the words of the viewer's language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fhirplan.chart.words import Words
from fhirplan.settings import profiles_folder

OURS: Final = "http://fhirplan.dev/fhir/CodeSystem/"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a system, with its display and properties."""

    system: str
    code: str
    display: str
    properties: tuple[tuple[str, str], ...]

    def has(self, name: str, value: str) -> bool:
        """Whether it has that property."""
        return (name, value) in self.properties

    def coding(self) -> dict[str, str]:
        """It as a FHIR Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}

    def concept(self) -> dict[str, Any]:
        """It as a FHIR CodeableConcept."""
        return {"coding": [self.coding()], "text": self.display}


@cache
def system(name: str) -> dict[str, Concept]:
    """The concepts of one of our systems by code, in its order; raises KeyError for a system that is not ours."""
    path: Path = profiles_folder() / "codesystems" / f"CodeSystem-{name}.json"
    if not path.is_file():
        raise KeyError(name)
    read = json.loads(path.read_text(encoding="utf-8"))
    return {item.code: item for item in _concepts(read["url"], read.get("concept", []))}


def _concepts(url: str, listed: list[dict[str, Any]]) -> Iterator[Concept]:
    for item in listed:
        properties = tuple(
            (str(entry["code"]), str(next((value for key, value in entry.items() if key.startswith("value")), "")))
            for entry in item.get("property", [])
        )
        yield Concept(url, item["code"], item.get("display", item["code"]), properties)
        yield from _concepts(url, item.get("concept", []))


def concept(name: str, code: str) -> Concept | None:
    """One concept, None for a code that the system lacks."""
    return system(name).get(code)


def choices(name: str, words: Words, *, only: frozenset[str] | None = None) -> list[tuple[str, str]]:
    """The codes of a system with their words, for a select; ``only`` keeps some of them."""
    return [
        (item.code, words.code(item.system, item.code) or item.display)
        for item in system(name).values()
        if only is None or item.code in only
    ]
