"""Words in a resource's narrative (``_text``) or in all of its texts (``_content``), R4 section 3.1.1.1.4.

Plain word search: a value's words must all occur, whole, in any order; case and accents do not matter. Of values
separated by commas one must be found. There is no stemming, no ranking and no index: resources are read one by one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirplan.fhir.codec import Resource
from fhirplan.search.values import spread

_TAG: Final = re.compile(r"<[^<>]*>")
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Words:
    """One ``_text`` or ``_content``: the words of one of ``any_of`` must all be there."""

    where: Literal["_text", "_content"]
    any_of: tuple[frozenset[str], ...]


def words(text: str) -> frozenset[str]:
    """The words of a text, without case and accents."""
    return frozenset(_WORD.findall(spread(text)))


def has_words(resource: Resource, wanted: Words) -> bool:
    """Whether the resource has them."""
    found = words(" ".join(_narrative(resource) if wanted.where == "_text" else _texts(resource)))
    return any(item <= found for item in wanted.any_of)


def _narrative(resource: Resource) -> Iterator[str]:
    text = resource.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    if isinstance(div, str):
        yield html.unescape(_TAG.sub(" ", div))


def _texts(value: Any) -> Iterator[str]:
    """The strings of a resource, tags of its narrative left out."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield html.unescape(_TAG.sub(" ", item)) if item.startswith("<div") else item
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
