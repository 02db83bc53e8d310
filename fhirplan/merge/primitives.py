"""Keeps the items of a primitive list together with their primitive extensions (R4 section 2.6.2.3)."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from fhirplan.fhir.codec import Json

_PAIR = {"", "_"}


def items_of(held: dict[str, Any], name: str) -> list[Json]:
    """The items of a list; one with an extension is a pair of value and extension, under "" and "_"."""
    pairs = zip_longest(held.get(name, ()), held.get("_" + name, ()))
    return [value if extension is None else {"": value, "_": extension} for value, extension in pairs]


def members_of(items: list[Json], name: str) -> dict[str, Any]:
    """The JSON members that hold these items, two where any has an extension, none where there is no item."""
    if not any(map(is_pair, items)):
        return {name: items} if items else {}
    values = [item[""] if is_pair(item) else item for item in items]
    extensions = {"_" + name: [item["_"] if is_pair(item) else None for item in items]}
    return {name: values, **extensions} if any(value is not None for value in values) else extensions


def is_pair(item: Json) -> bool:
    """Whether an item is a value with its extension."""
    return isinstance(item, dict) and item.keys() == _PAIR
