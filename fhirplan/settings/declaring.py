"""How a setting is declared: a dataclass field that carries its meaning and its check."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import field
from typing import Any


def setting(default: Any, meaning: str, *, accepted: str = "", **check: Any) -> Any:
    """A field with its ``meaning`` and, for people, what is ``accepted``.

    ``check`` may hold ``one_of`` (the values accepted), ``minimum`` (the least number) and ``secret`` (the value
    stands in no message and no repr). The type is the default's.
    """
    secret = bool(check.get("secret"))
    return field(default=default, repr=not secret, metadata={"meaning": meaning, "accepted": accepted, "check": check})


def unknown(shown: str, key: str, known: Iterable[str]) -> str:
    """What is said of ``key``, which the person wrote as ``shown`` and which is none of the ``known`` settings."""
    found = difflib.get_close_matches(key, sorted(known), 1)
    remedy = f"Did you mean {found[0]}?" if found else "See docs/reference/settings.md."
    return f"{shown} is not a setting of fhirplan. {remedy}"
