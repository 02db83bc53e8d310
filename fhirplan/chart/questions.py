"""Reads a Questionnaire as a form: its sections and questions, which are asked, and the answers as FHIR writes them.

What stands in the fields is a text by linkId; several answers to a question that repeats stand on lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.chart.edits import MOST_TEXT, Wrong
from fhirplan.chart.translated import said
from fhirplan.coordination.elements import objects
from fhirplan.fhir.codec import Resource

Answers = Mapping[str, str]
_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
_UNIT: Final = f"{_EXTENSION}questionnaire-unit"
# What a page can ask; an attachment or a reference cannot be typed into a field.
KINDS: Final = frozenset(
    {
        *("boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url"),
        *("choice", "open-choice", "quantity"),
    }
)
_VALUE: Final = {
    "string": "valueString",
    "text": "valueString",
    "url": "valueUri",
    "boolean": "valueBoolean",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "time": "valueTime",
    "quantity": "valueQuantity",
}


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
            _number(_extension(item, "minValue")),
            _number(_extension(item, "maxValue")),
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


def _number(value: Any) -> Decimal | None:
    try:
        made = Decimal(str(value)) if value is not None else None
    except InvalidOperation:
        return None
    return made if made is None or made.is_finite() else None


def given(question: Question, answers: Answers) -> list[str]:
    """What was answered to a question: nothing, one text, or several where it repeats."""
    text = answers.get(question.link, "").strip()
    return [line.strip() for line in text.splitlines() if line.strip()] if question.repeats else [text] if text else []


def asked(listed: tuple[Section, ...], answers: Answers) -> frozenset[str]:
    """The linkIds of the questions that are to be asked, by the answers to the others (R4 enableWhen).

    A question that is not asked has no answer, so that what depends on it is judged without one.
    """
    every = {question.link: question for section in listed for question in section.questions}
    found = frozenset(every)
    for _ in range(len(every) + 1):
        known = {link: given(every[link], answers) if link in found else [] for link in every}
        now = frozenset(link for link, question in every.items() if _is_enabled(question, known, every))
        if now == found:
            break
        found = now
    return found


def _is_enabled(question: Question, known: Mapping[str, list[str]], every: Mapping[str, Question]) -> bool:
    return all(
        (all if every_one else any)(_holds(item, known, every) for item in conditions)
        for every_one, conditions in question.when
    )


def _holds(condition: Mapping[str, Any], known: Mapping[str, list[str]], every: Mapping[str, Question]) -> bool:
    link, operator = str(condition.get("question")), condition.get("operator")
    found = known.get(link, [])
    wanted = next((value for key, value in condition.items() if key.startswith("answer")), None)
    if operator == "exists":
        return bool(found) is (wanted is True)
    wanted = _field(wanted)
    kind = every[link].kind if link in every else ""
    return any(_compares(str(operator), item, wanted, kind) for item in found)


def _field(value: Any) -> str:
    """An answer of a condition as the field of its question would hold it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return str(value["value"] if "value" in value else value.get("code") or value.get("display") or "")
    return str(value)


def _compares(operator: str, found: str, wanted: str, kind: str) -> bool:
    if operator in ("=", "!="):
        left, right = (_number(found), _number(wanted)) if kind in ("integer", "decimal", "quantity") else (None, None)
        return (left == right if left is not None and right is not None else found == wanted) is (operator == "=")
    one, other = _number(found), _number(wanted)
    pair = (one, other) if one is not None and other is not None else (found, wanted)
    steps = {">": pair[0] > pair[1], "<": pair[0] < pair[1], ">=": pair[0] >= pair[1], "<=": pair[0] <= pair[1]}  # type: ignore[operator]
    return steps.get(operator, False)


def problems(listed: tuple[Section, ...], answers: Answers, *, finished: bool) -> list[Wrong]:
    """What is wrong with the answers, by linkId; what is required and missing only where they are ``finished``."""
    found, wanted = [], asked(listed, answers)
    for question in (item for section in listed for item in section.questions if item.link in wanted):
        texts = given(question, answers)
        if not texts and question.required and finished and question.kind in KINDS:
            found.append(Wrong(question.link, "asm.required", {"what": question.text}))
        for text in texts:
            key, values = _wrong(question, text)
            if key:
                found.append(Wrong(question.link, key, values))
                break
    return found


def _wrong(question: Question, text: str) -> tuple[str, dict[str, str]]:
    try:
        answer(question, text, ZoneInfo("UTC"))
    except ValueError:
        keys = {
            "integer": "asm.whole",
            "decimal": "val.number",
            "quantity": "val.number",
            "date": "asm.date",
            "dateTime": "val.moment",
            "time": "asm.time",
        }
        return keys.get(question.kind, "val.choice"), {}
    if question.kind in ("integer", "decimal", "quantity"):
        number = Decimal(text.replace(",", "."))
        if (question.low is not None and number < question.low) or (
            question.high is not None and number > question.high
        ):
            low, high = question.low, question.high
            if low is None or high is None:
                return ("asm.least", {"low": str(low)}) if low is not None else ("asm.most", {"high": str(high)})
            return "asm.between", {"low": str(low), "high": str(high)}
    elif len(text) > question.most:
        return "asm.long", {"n": str(question.most)}
    return "", {}


def answer(question: Question, text: str, zone: ZoneInfo) -> dict[str, Any]:
    """An answer as FHIR writes it; raises ValueError for a text that is none."""
    for option in question.options:
        if option.code == text:
            return dict(option.answer)
    if question.kind == "choice":
        raise ValueError(text)
    if question.kind == "open-choice":
        return {"valueString": text}
    return {_VALUE.get(question.kind, "valueString"): _value(question, text, zone)}


def _value(question: Question, text: str, zone: ZoneInfo) -> Any:
    kind = question.kind
    if kind == "boolean":
        return {"yes": True, "no": False}[text] if text in ("yes", "no") else _no(text)
    if kind == "integer":
        return int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 10 else _no(text)
    if kind in ("decimal", "quantity"):
        number = _number(text.replace(",", "."))
        if number is None or len(text) > 18:
            _no(text)
        unit = question.unit or {}
        named = {"unit": unit.get("display"), "system": unit.get("system"), "code": unit.get("code")}
        return number if kind == "decimal" else {"value": number, **{key: item for key, item in named.items() if item}}
    if kind == "date":
        return date.fromisoformat(text).isoformat()
    if kind == "time":
        return time.fromisoformat(text).replace(microsecond=0).isoformat()
    if kind == "dateTime":
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=zone)).isoformat(timespec="seconds")
    return text


def _no(text: str) -> Any:
    raise ValueError(text)


def items(questionnaire: Resource, answers: Answers, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The answers as the items of a QuestionnaireResponse, nested as the questions are; empty ones are left out.

    Raises ValueError for a text that is no answer.
    """
    listed = sections(questionnaire)
    wanted = asked(listed, answers)
    by_link = {item.link: item for section in listed for item in section.questions if item.link in wanted}

    def made(definitions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for definition in definitions:
            link = str(definition.get("linkId") or "")
            question = by_link.get(link)
            inner = made(objects(definition.get("item")))
            told = [answer(question, text, zone) for text in given(question, answers)] if question else []
            item: dict[str, Any] = {"linkId": link, "text": definition.get("text")}
            if definition.get("type") == "group":
                item["item"] = inner
            elif told:
                item["answer"] = [{**told[0], "item": inner} if inner else told[0], *told[1:]]
            if item.get("item") or item.get("answer"):
                found.append({name: value for name, value in item.items() if value is not None})
        return found

    return made(objects(questionnaire.get("item")))


def fields(questionnaire: Resource, response: Resource) -> dict[str, str]:
    """The answers of a response as the fields of the form hold them."""
    repeating = {item.link for section in sections(questionnaire) for item in section.questions if item.repeats}
    found: dict[str, str] = {}
    waiting = objects(response.get("item"))
    while waiting:
        item = waiting.pop(0)
        waiting += objects(item.get("item"))
        texts = []
        for told in objects(item.get("answer")):
            waiting += objects(told.get("item"))
            texts += [_held(key, value) for key, value in told.items() if key.startswith("value")]
        if texts:
            link = str(item.get("linkId") or "")
            found[link] = "\n".join(texts) if link in repeating else texts[0]
    return found


def _held(name: str, value: Any) -> str:
    if name == "valueDateTime":
        return str(value)[:16]
    if name == "valueTime":
        return str(value)[:5]
    return _field(value)


def in_words(question: Question, answers: Answers, yes_no: tuple[str, str]) -> str:
    """What was answered to a question, as people say it."""
    texts = {option.code: option.text for option in question.options}
    if question.kind == "boolean":
        texts = {"yes": yes_no[0], "no": yes_no[1]}
    unit = str((question.unit or {}).get("display") or "") if question.kind == "quantity" else ""
    return ", ".join(f"{texts.get(text, text)}\u00a0{unit}".rstrip("\u00a0") for text in given(question, answers))
