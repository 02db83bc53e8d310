"""Names an item of a list by what it holds: a coding, a reference, an identifier (see ``rules.Identity``)."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

from fhirplan.fhir.codec import Json
from fhirplan.merge.spelling import spelled

Name = tuple[Any, ...]


def names(item: Json, alternative: tuple[str, ...]) -> set[Name]:
    """The names an alternative gives an item: several where a concept has several codings, none where a part lacks."""
    parts = []
    for path in alternative:
        tokens = _tokens(value_at(item, path))
        if not tokens:
            return set()
        parts.append(tokens)
    return set(product(*parts))


def _tokens(value: Json) -> tuple[Any, ...]:
    """What identifies a value: a concept's codings, a reference's target, else the whole value."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(token for item in value for token in _tokens(item))
    if isinstance(value, dict):
        codings = [coding for coding in value.get("coding") or () if isinstance(coding, dict) and coding.get("code")]
        if codings:
            return tuple(_coded(coding) for coding in codings)
        if isinstance(value.get("reference"), str):
            return (value["reference"],)
        if "code" in value and "system" in value and "value" not in value:
            return (_coded(value),)
    return (spelled(value),)


def _coded(coding: dict[str, Any]) -> bytes:
    return spelled([coding.get("system"), coding["code"]])


def value_at(item: Json, path: str) -> Json:
    """The value at a path inside an item: ``detail.code``, ``value[x]``, "" for the item itself; None when absent."""
    for step, choice in _steps(path):
        if not isinstance(item, dict):
            return None
        if choice:
            item = next((v for k, v in item.items() if k.startswith(step) and k[len(step) :][:1].isupper()), None)
        else:
            item = item.get(step)
    return item


@cache
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    return tuple((step.removesuffix("[x]"), step.endswith("[x]")) for step in path.split(".") if step)
