"""Writes the answers of a form as a QuestionnaireResponse has them, and reads those back into the fields."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from fhirplan.chart.answers import Answers, answer, field, given
from fhirplan.chart.enabling import asked
from fhirplan.chart.questions import sections
from fhirplan.coordination.elements import objects
from fhirplan.fhir.codec import Resource


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
    return field(value)
