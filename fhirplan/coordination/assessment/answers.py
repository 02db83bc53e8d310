"""Reads a response to the case management assessment: whether it is one, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhirplan.coordination.elements import objects, word
from fhirplan.fhir.codec import Json, Resource

Given = Mapping[str, list[Json]]
"""The answers by linkId, in their order."""

QUESTIONNAIRE: Final = "http://fhirplan.dev/fhir/Questionnaire/cm-assessment"


def is_assessment(response: Resource) -> bool:
    """Whether a response answers our assessment, of any version."""
    return word(response, "questionnaire").partition("|")[0] == QUESTIONNAIRE


def answers(response: Resource) -> dict[str, list[Json]]:
    """The answers by linkId, in their order: codes of choices, and plain values."""
    found: dict[str, list[Json]] = {}
    waiting = objects(response.get("item"))
    while waiting:
        item = waiting.pop(0)
        waiting += objects(item.get("item"))
        for answer in objects(item.get("answer")):
            waiting += objects(answer.get("item"))
            values = [value for key, value in answer.items() if key.startswith("value")]
            if values:
                value = values[0].get("code") if isinstance(values[0], dict) else values[0]
                found.setdefault(str(item.get("linkId") or ""), []).append(value)
    return found


def screens_positive(link: str, given: Given) -> bool:
    """Whether a question is the PHQ-2 and its total says that the PHQ-9 is due."""
    found = given.get(link, [None])[0]
    return link == "4.2" and isinstance(found, int) and not isinstance(found, bool) and found >= 3
