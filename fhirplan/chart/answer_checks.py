"""Says what is wrong with the answers of a form: what is no answer, out of bounds, too long or missing."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from fhirplan.chart.answers import Answers, answer, given
from fhirplan.chart.edits import Wrong
from fhirplan.chart.enabling import asked
from fhirplan.chart.questions import KINDS, Question, Section


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
