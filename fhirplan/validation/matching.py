"""Compares a value with a fixed value or a pattern of a profile (R4 section 5.1.0.17, ElementDefinition)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def fixed_value(element: dict[str, Any]) -> tuple[str, Any] | None:
    """The key and value of ``fixed[x]`` in an ElementDefinition, or None."""
    return _of(element, "fixed")


def pattern_value(element: dict[str, Any]) -> tuple[str, Any] | None:
    """The key and value of ``pattern[x]`` in an ElementDefinition, or None."""
    return _of(element, "pattern")


def _of(element: dict[str, Any], start: str) -> tuple[str, Any] | None:
    for key, value in element.items():
        if key.startswith(start) and key[len(start) :][:1].isupper():
            return key, value
    return None


def equals(value: Any, wanted: Any) -> bool:
    """Whether a value is exactly the fixed one: same members, same order of lists, same numbers."""
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(equals(value[key], item) for key, item in wanted.items())
        )
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(equals(one, other) for one, other in zip(value, wanted, strict=True))
        )
    return _same(value, wanted)


def holds(value: Any, wanted: Any) -> bool:
    """Whether a value has at least what the pattern says; each item of a pattern's list is met by some item."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return False
        return all(key in value and holds(value[key], item) for key, item in wanted.items())
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(holds(one, item) for one in value) for item in wanted)
    return _same(value, wanted)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def pattern_test(wanted: Any) -> Callable[[Any], bool]:
    """A quick test for a pattern; the commonest one, one coding with system and code, is written out."""
    simple = _one_coding(wanted)
    if simple is None:
        if isinstance(wanted, str):
            return lambda value: type(value) is str and value == wanted
        return lambda value: holds(value, wanted)
    system, code = simple

    def test(value: Any) -> bool:
        codings = value.get("coding") if type(value) is dict else None
        if type(codings) is not list:
            return False
        return any(type(one) is dict and one.get("code") == code and one.get("system") == system for one in codings)

    return test


def _one_coding(wanted: Any) -> tuple[str, str] | None:
    if not isinstance(wanted, dict) or wanted.keys() != {"coding"} or len(wanted["coding"]) != 1:
        return None
    coding = wanted["coding"][0]
    if not isinstance(coding, dict) or coding.keys() != {"system", "code"}:
        return None
    return coding["system"], coding["code"]


def spelled(wanted: Any) -> str:
    """A fixed value or pattern as a message names it."""
    if isinstance(wanted, dict):
        if isinstance(wanted.get("coding"), list) and wanted["coding"] and isinstance(wanted["coding"][0], dict):
            return spelled(wanted["coding"][0])
        if "code" in wanted:
            return f"code {wanted['code']!r}" + (f" of {wanted['system']}" if "system" in wanted else "")
        return ", ".join(f"{key} {spelled(item)}" for key, item in list(wanted.items())[:4])
    if isinstance(wanted, list):
        return ", ".join(spelled(item) for item in wanted[:3])
    return repr(wanted) if isinstance(wanted, str) else str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
