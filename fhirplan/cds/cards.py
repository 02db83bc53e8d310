"""Makes cards, links and suggestions (CDS Hooks 2.0, CDS Service Response)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirplan.fhir.codec import Resource

Indicator = Literal["info", "warning", "critical"]
LONGEST_SUMMARY: Final = 139
_NAMESPACE: Final = uuid.UUID("6f1c8f0e-5a0b-5d0c-9a3e-0b6f6d2f2c11")
_MARKED: Final = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]()<>#+-.!|~&"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something the EHR can do at a click: create these resources."""

    label: str
    creates: tuple[Resource, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Card:
    """One card. ``key`` tells it from the others of the same call; ``lines`` are its details, in plain words;
    ``place`` is where in the chart it leads."""

    key: str
    indicator: Indicator
    summary: str
    lines: tuple[str, ...] = ()
    place: str = ""
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What cards say of where they come from: its name, its address, and the address that opens the chart.

    With ``smart`` that address is our SMART launch, which the EHR opens for its own patient and user.
    """

    label: str
    url: str
    chart: str
    smart: bool


def response(cards: Sequence[Card], source: Source, instance: str) -> dict[str, Any]:
    """The answer to a call; ``instance`` is its hookInstance, so that asking again gives the same uuids."""
    order = {"critical": 0, "warning": 1, "info": 2}
    return {"cards": [_shown(item, source, instance) for item in sorted(cards, key=lambda card: order[card.indicator])]}


def _shown(card: Card, source: Source, instance: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "uuid": _uuid(instance, card.key),
        "summary": shortened(card.summary),
        "indicator": card.indicator,
        "source": {"label": source.label, "url": source.url},
    }
    if card.lines:
        made["detail"] = "\n".join(f"- {plain(line)}" for line in card.lines)
    if card.suggestions:
        made["suggestions"] = [
            _suggested(item, _uuid(instance, f"{card.key}/{n}")) for n, item in enumerate(card.suggestions)
        ]
        made["selectionBehavior"] = "any"
    link = {"label": "Open the care plan", "url": source.chart, "type": "smart" if source.smart else "absolute"}
    if card.place and source.smart:
        link["appContext"] = card.place
    elif card.place:
        link["url"] += f"#{card.place}"
    return {**made, "links": [link]}


def _suggested(item: Suggestion, id_: str) -> dict[str, Any]:
    actions = [{"type": "create", "description": item.description, "resource": one} for one in item.creates]
    return {"label": item.label, "uuid": id_, "actions": actions}


def _uuid(instance: str, key: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{instance} {key}"))


def plain(text: str) -> str:
    """Text of a record as Markdown that shows it as it is: nothing in it becomes a link, a picture or HTML."""
    return " ".join(text.split()).translate(_MARKED)


def shortened(text: str) -> str:
    """A summary within the 140 characters that a card has."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_SUMMARY else text[: LONGEST_SUMMARY - 1].rstrip() + "…"
