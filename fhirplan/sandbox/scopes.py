"""Reads SMART system scopes and says what they allow (SMART App Launch 2.2, scopes for requesting FHIR resources)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fhirplan.sandbox.calls import Asked
from fhirplan.sandbox.definitions import TYPES
from fhirplan.sandbox.persona import Persona

_SCOPE: Final = re.compile(r"system/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<rights>read|write|\*|c?r?u?d?s?)")
_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_LETTERS: Final = {
    "create": "c",
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "search-type": "s",
    "history-type": "s",
    "history-system": "s",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """A right to some interactions (letters of ``cruds``) on a type, "*" for all; ``text`` is how it is spelled."""

    type: str
    letters: str
    text: str


@dataclass(frozen=True, slots=True)
class Need:
    """What a request must be allowed: one letter of ``cruds`` on a type, "*" for a request to all of them."""

    type: str
    letter: str


def grant(text: str, persona: Persona) -> tuple[Scope, ...]:
    """The scopes that are given of those asked for: never wider, and without what this EHR has no use for."""
    granted: dict[str, Scope] = {}
    for item in text.split():
        scope = _granted(item, persona)
        if scope:
            granted[scope.text] = scope
    return tuple(granted.values())


def _granted(item: str, persona: Persona) -> Scope | None:
    found = _SCOPE.fullmatch(item)
    if not found or not found["rights"]:
        return None
    type_, rights = found["type"], found["rights"]
    letters = _V1.get(rights, rights)
    if type_ != "*":
        letters = "".join(letter for letter in letters if letter in _offered(persona, type_))
    if not letters:
        return None
    return Scope(type_, letters, item if rights in _V1 else f"system/{type_}.{letters}")


def _offered(persona: Persona, type_: str) -> str:
    if persona.whole:
        return "cruds" if type_ in TYPES else ""
    offer = persona.types.get(type_)
    return "".join(_LETTERS[code] for code in offer.interactions) if offer else ""


def allows(scopes: Iterable[Scope], need: Need) -> bool:
    """Whether one of the scopes gives this right."""
    return any(scope.type in (need.type, "*") and need.letter in scope.letters for scope in scopes)


def needs(persona: Persona, wanted: Asked) -> tuple[Need, ...]:
    """The rights that an interaction takes; none for what is no interaction, which is refused anyway."""
    letter = _LETTERS.get(wanted.interaction)
    if letter is None:
        return ()
    offer = persona.types.get(wanted.type)
    others = offer.also_reads if offer else ()
    return (Need(wanted.type or "*", letter), *(Need(other, "r") for other in others))
