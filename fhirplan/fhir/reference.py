"""Reads FHIR references: relative, absolute, versioned, urn, contained, logical (R4 section 2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from fhirplan.fhir.codec import Json, Resource

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RELATIVE: Final = re.compile(
    r"(?:(?P<server>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a literal reference points: ``server`` is "" for a relative one, ``version`` "" when none is named."""

    type: str
    id: str
    server: str = ""
    version: str = ""

    @property
    def local(self) -> str:
        """Type and id only, as ``Patient/p1``."""
        return f"{self.type}/{self.id}"


def parse(text: Any) -> Reference | None:
    """The reference a string spells, or None for a urn, a fragment (``#x``), a query or anything else."""
    if not isinstance(text, str):
        return None
    # The same patient, plan and owner are named again and again; only short texts are worth remembering.
    return _remembered(text) if len(text) <= _SHORT else _parse(text)


def _parse(text: str) -> Reference | None:
    found = _RELATIVE.fullmatch(text)
    if not found:
        return None
    return Reference(found["type"], found["id"], found["server"] or "", found["version"] or "")


_SHORT: Final = 128
_remembered: Final = lru_cache(maxsize=4096)(_parse)


def target_type(reference: Json) -> str:
    """The resource type a Reference element points to by its url or its ``type``, or "" when neither tells."""
    if not isinstance(reference, dict):
        return ""
    found = parse(reference.get("reference"))
    return found.type if found else str(reference.get("type") or "")


def literals(resource: Json) -> list[str]:
    """The texts of all literal references in a resource, in no order: what ``walk`` finds, at a fifth of its cost."""
    found: list[str] = []
    waiting = [resource]
    while waiting:
        item = waiting.pop()
        if item.__class__ is dict:
            text = item.get("reference")
            if text.__class__ is str:
                found.append(text)
            waiting += [child for child in item.values() if child.__class__ is dict or child.__class__ is list]
        elif item.__class__ is list:
            waiting += item
    return found


def walk(resource: Json, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Each Reference element in a resource with its FHIRPath: any object that has a string ``reference``."""
    found: list[tuple[str, dict[str, Any]]] = []
    _walk(resource, path, found)
    return found


def _walk(value: Json, path: str, found: list[tuple[str, dict[str, Any]]]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            found.append((path, value))
        root = path or str(value.get("resourceType", ""))
        for key, item in value.items():
            if isinstance(item, dict | list):
                _walk(item, f"{root}.{key}", found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _walk(item, f"{path}[{index}]", found)


def rewrite(resource: Resource, new: Callable[[str], str | None]) -> Resource:
    """A copy in which each literal reference is replaced by ``new(text)``; None leaves it as it is."""

    def copy(value: Json) -> Json:
        if isinstance(value, dict):
            made = {key: copy(item) for key, item in value.items()}
            text = made.get("reference")
            if isinstance(text, str):
                made["reference"] = new(text) or text
            return made
        if isinstance(value, list):
            return [copy(item) for item in value]
        return value

    made: Resource = copy(resource)
    return made
