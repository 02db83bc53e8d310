"""What of the scopes that a client asks for is granted: never more than asked, never more than it is registered for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from fhirplan.access.scopes import BY_NAME, INTROSPECTION, Scope, Scopes, narrowed, parse
from fhirplan.catalog import CATALOG, COMMON

CONTEXT: Final = ("launch", "launch/patient", "launch/encounter")
SIGN_IN: Final = ("openid", "fhirUser", "profile")
LASTING: Final = ("online_access", "offline_access")


def granted(asked: Iterable[str], most: Sequence[str]) -> tuple[str, ...]:
    """The scopes to grant of those asked for to a client that may have ``most``.

    A scope for resources is narrowed to what both allow, and split where ``most`` names single types (SMART App
    Launch 2.2, scopes: the server may grant less, and what is granted is told). Unknown ones are left out, as are
    those with a condition that could not be enforced.
    """
    found = narrowed(_served(parse(" ".join(asked))), _served(parse(" ".join(most))))
    return tuple(found.text().split())


def _served(found: Scopes) -> Scopes:
    """The scopes for what is served here."""
    launch = tuple(item for item in found.launch if item in CONTEXT)
    return Scopes(tuple(item for item in found.resources if _known(item)), launch, found.personal)


def _known(scope: Scope) -> bool:
    if scope.type == "*":
        return not scope.query
    if scope.type in BY_NAME:
        return not scope.query
    spec = CATALOG.get(scope.type)
    if spec is None or not scope.letters:
        return False
    names = {item.code for item in (*spec.search, *COMMON)}
    return all(name in names for name, _ in scope.query)


def for_programs(scope: str) -> bool:
    """Whether a scope is for a program alone, so that no person gives it to an app."""
    return scope.startswith("system/") or scope == INTROSPECTION


def needs_patient(scopes: Iterable[str]) -> bool:
    """Whether a patient must be chosen before these scopes mean anything."""
    return any(scope.startswith("patient/") or scope == "launch/patient" for scope in scopes)


def unusable(scopes: Iterable[str]) -> list[str]:
    """Those that a client cannot be registered for, being no scopes that are served here."""
    return [text for text in scopes if not granted([text], [text])]


def supported() -> list[str]:
    """The scopes that discovery names: those without a type, and all that every type can be asked with."""
    levels = ("patient", "user", "system")
    plain = (*SIGN_IN, *CONTEXT, *LASTING, INTROSPECTION)
    return [*plain, *(f"{level}/*.{rights}" for level in levels for rights in ("cruds", "rs", "read", "write"))]
