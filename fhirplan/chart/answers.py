"""Reads what was typed to a question, writes it as FHIR does, and says it as people do.

What stands in the fields is a text by linkId; several answers to a question that repeats stand on lines of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.chart.questions import Question, number

Answers = Mapping[str, str]
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


def given(question: Question, answers: Answers) -> list[str]:
    """What was answered to a question: nothing, one text, or several where it repeats."""
    text = answers.get(question.link, "").strip()
    return [line.strip() for line in text.splitlines() if line.strip()] if question.repeats else [text] if text else []


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
        typed = number(text.replace(",", "."))
        if typed is None or len(text) > 18:
            _no(text)
        unit = question.unit or {}
        named = {"unit": unit.get("display"), "system": unit.get("system"), "code": unit.get("code")}
        return typed if kind == "decimal" else {"value": typed, **{key: item for key, item in named.items() if item}}
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


def field(value: Any) -> str:
    """A value of FHIR as the field of its question holds it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return str(value["value"] if "value" in value else value.get("code") or value.get("display") or "")
    return str(value)


def in_words(question: Question, answers: Answers, yes_no: tuple[str, str]) -> str:
    """What was answered to a question, as people say it."""
    texts = {option.code: option.text for option in question.options}
    if question.kind == "boolean":
        texts = {"yes": yes_no[0], "no": yes_no[1]}
    unit = str((question.unit or {}).get("display") or "") if question.kind == "quantity" else ""
    return ", ".join(f"{texts.get(text, text)}\u00a0{unit}".rstrip("\u00a0") for text in given(question, answers))
