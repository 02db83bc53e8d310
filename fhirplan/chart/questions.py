"""Reads a Questionnaire as a form: its sections, their questions, and the answers each offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhirplan.chart.edits import MOST_TEXT
from fhirplan.chart.translated import said
from fhirplan.coordination.elements import objects
from fhirplan.fhir.codec import Resource

_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
_UNIT: Final = f"{_EXTENSION}questionnaire-unit"
# What a page can ask; an attachment or a reference cannot be typed into a field.
KINDS: Final = frozenset(
    {
        *("boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url"),
        *("choice", "open-choice", "quantity"),
    }
)


@dataclass(frozen=True, slots=True)
class Option:
    """One of the answers offered: what the field holds, its words, and the answer as FHIR writes it."""

    code: str
    text: str
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its linkId, words and type in R4, and how it is to be answered.

    ``within`` are the linkIds of the items it stands in, the outermost first. ``when`` are its conditions (R4
    enableWhen), with those of what it stands in, each with whether all or any of them must hold.
    """

    link: str
    text: str
    kind: str
    options: tuple[Option, ...] = ()
    required: bool = False
    repeats: bool = False
    low: Decimal | None = None
    high: Decimal | None = None
    most: int = MOST_TEXT
    unit: Mapping[str, str] | None = None
    within: tuple[str, ...] = ()
    when: tuple[tuple[bool, tuple[Mapping[str, Any], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A page of the form: the outermost group, with the questions in it and in its groups."""

    link: str
    text: str
    questions: tuple[Question, ...]


def sections(questionnaire: Resource, language: str = "en") -> tuple[Section, ...]:
    """The sections of a Questionnaire in their order, in a language where it has a translation.

    Questions that stand in no group make a section of their own, named as the Questionnaire is.
    """
    made: list[Section] = []
    loose: list[Question] = []
    for item in objects(questionnaire.get("item")):
        asked = tuple(_questions(item, (), (), language))
        if item.get("type") == "group":
            made.append(Section(str(item.get("linkId") or ""), said(item, "text", language), asked))
        else:
            loose += asked
    if loose:
        made.insert(0, Section("", str(questionnaire.get("title") or ""), tuple(loose)))
    return tuple(made)


def _questions(
    item: dict[str, Any],
    within: tuple[str, ...],
    when: tuple[tuple[bool, tuple[Mapping[str, Any], ...]], ...],
    language: str,
) -> Iterator[Question]:
    own = tuple(objects(item.get("enableWhen")))
    # Where a condition stands alone R4 says nothing of enableBehavior.
    conditions = (*when, (item.get("enableBehavior", "all") == "all", own)) if own else when
    kind, link = str(item.get("type") or ""), str(item.get("linkId") or "")
    if kind not in ("group", "display"):
        yield Question(
            link,
            said(item, "text", language),
            kind,
            tuple(_options(item, language)),
            item.get("required") is True,
            item.get("repeats") is True,
            number(_extension(item, "minValue")),
            number(_extension(item, "maxValue")),
            min(int(item.get("maxLength") or MOST_TEXT), MOST_TEXT),
            next((one.get("valueCoding") for one in objects(item.get("extension")) if one.get("url") == _UNIT), None),
            within,
            conditions,
        )
    for inner in objects(item.get("item")):
        yield from _questions(inner, (*within, link), conditions, language)


def _options(item: dict[str, Any], language: str) -> Iterator[Option]:
    for option in objects(item.get("answerOption")):
        for name, value in option.items():
            if not name.startswith("value"):
                continue
            if isinstance(value, dict):
                code = str(value.get("code") or value.get("display") or "")
                yield Option(code, said(value, "display", language) or code, {name: value})
            else:
                yield Option(str(value), str(value), {name: value})


def _extension(item: dict[str, Any], name: str) -> Any:
    for extension in objects(item.get("extension")):
        if extension.get("url") == f"{_EXTENSION}{name}":
            return next((value for key, value in extension.items() if key.startswith("value")), None)
    return None


def number(value: Any) -> Decimal | None:
    """A value as a number, None for what is none."""
    try:
        made = Decimal(str(value)) if value is not None else None
    except InvalidOperation:
        return None
    return made if made is None or made.is_finite() else None
