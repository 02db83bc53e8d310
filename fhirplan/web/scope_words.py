"""Says in words what a scope lets an app do, for whoever allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.access.scopes import resource_scope
from fhirplan.chart.words import Words
from fhirplan.launch.granting import CONTEXT, LASTING, SIGN_IN

_PLAIN: Final = frozenset((*SIGN_IN, *CONTEXT, *LASTING))


@dataclass(frozen=True, slots=True)
class Line:
    """One scope in words: what it lets an app do, and with whose records."""

    scope: str
    text: str
    about: str


def line(scope: str, words: Words) -> Line:
    """A scope in the language of the page."""
    found = resource_scope(scope)
    if found is None:
        return Line(scope, words(f"may.{scope.replace('/', '_')}") if scope in _PLAIN else scope, "")
    does = ", ".join(words(f"right.{letter}") for letter in found.letters)
    limits = ", ".join(f"{name} = {value}" for name, value in found.query)
    about = words(f"level.{found.level}")
    kind = words("may.everything") if found.type == "*" else words.state("type", found.type)
    return Line(scope, f"{kind}: {does}", words("may.only", level=about, limits=limits) if limits else about)
