"""Checks a QuestionnaireResponse against its Questionnaire, where that is here (R4 sections 4.3.2 and 4.8.4).

Answers are of the item's type, among its options, no more than allowed; required and enabled items are answered once
the response is completed; items are known, in order, and enabled.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.structure import CORE
from fhirplan.validation import bindings
from fhirplan.validation.findings import Findings, Place, shown
from fhirplan.validation.temporal import compare

URL: Final = CORE + "QuestionnaireResponse"
_TYPES: Final = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal",),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "open-choice": ("valueCoding", "valueString"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}
_RULES: Final = {"structure": "cm-type", "code-invalid": "cm-binding", "too-long": "cm-value"}
_FINISHED: Final = frozenset({"completed", "amended"})


def linked(questionnaire: dict[str, Any], place: Place, findings: Findings) -> None:
    """In a Questionnaire, each enableWhen asks about an item that is there."""
    known = {_link(one) for one in _all(questionnaire)}
    waiting: list[tuple[dict[str, Any], Place]] = [(questionnaire, place)]
    while waiting:
        holder, at = waiting.pop()
        for index, item in enumerate(_items(holder)):
            here = (at, "item", index)
            waiting.append((item, here))
            conditions = item.get("enableWhen")
            for number, one in enumerate(conditions if type(conditions) is list else ()):
                asked = one.get("question") if type(one) is dict else None
                if type(asked) is str and asked not in known:
                    text = f"No item has the linkId {shown(asked)} that this depends on. Correct it."
                    findings.error("not-found", text, (here, "enableWhen", number), "cm-ref", CORE + "Questionnaire")


def check(response: dict[str, Any], place: Place, findings: Findings) -> None:
    """Says where a response does not agree with its questionnaire."""
    canonical = response.get("questionnaire")
    if type(canonical) is not str:
        return
    questionnaire = _questionnaire(response, canonical, findings)
    if questionnaire is None:
        text = f"The questionnaire {shown(canonical)} is not here, so the answers were not checked against it."
        findings.add("information", "not-found", text, (place, "questionnaire", -1), "cm-ref", URL)
        return
    _Answers(questionnaire, response, findings).level(questionnaire, response, place)


def _questionnaire(response: dict[str, Any], canonical: str, findings: Findings) -> dict[str, Any] | None:
    if canonical.startswith("#"):
        listed = response.get("contained")
        for one in listed if type(listed) is list else ():
            if type(one) is dict and one.get("id") == canonical[1:] and one.get("resourceType") == "Questionnaire":
                return one
        return None
    found: dict[str, Any] | None = findings.engine.definitions.find("Questionnaire", canonical)
    return found


def _items(holder: dict[str, Any]) -> list[dict[str, Any]]:
    return _objects(holder, "item")


def _objects(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = holder.get(name)
    return [one for one in listed if type(one) is dict] if type(listed) is list else []


def _link(item: dict[str, Any]) -> str:
    """The linkId of an item, "" where it has none that can be used."""
    link = item.get("linkId")
    return link if type(link) is str else ""


def _all(holder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = _items(holder)
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(_items(one))


class _Answers:
    """One response being checked: all its answers by linkId, for the conditions of other items."""

    def __init__(self, questionnaire: dict[str, Any], response: dict[str, Any], findings: Findings) -> None:
        self.findings = findings
        self.known = {_link(one) for one in _all(questionnaire)}
        self.finished = response.get("status") in _FINISHED
        self.given: dict[str, list[dict[str, Any]]] = {}
        waiting = _items(response)
        while waiting:
            item = waiting.pop()
            answers = _objects(item, "answer")
            self.given.setdefault(_link(item), []).extend(answers)
            waiting.extend(_items(item))
            for one in answers:
                waiting.extend(_items(one))

    def error(self, code: str, text: str, place: Place) -> None:
        """Notes a disagreement."""
        self.findings.error(code, text, place, _RULES.get(code, "cm-value"), URL)

    def level(self, asked: dict[str, Any], given: dict[str, Any], place: Place) -> None:
        """The items at one level of the response against those of the questionnaire."""
        questions = _items(asked)
        order = {_link(one): index for index, one in enumerate(questions)}
        met: dict[str, list[int]] = {}
        last = -1
        listed = given.get("item")
        for index, item in enumerate(listed if type(listed) is list else ()):
            if type(item) is not dict:
                continue
            here = (place, "item", index)
            link = _link(item)
            if link not in order:
                where = "stands elsewhere in" if link in self.known else "is not in"
                self.error("structure", f"The item {shown(link)} {where} the questionnaire. Move or remove it.", here)
                continue
            if order[link] < last:
                self.error("structure", f"The item {shown(link)} is out of the questionnaire's order.", here)
            last = max(last, order[link])
            met.setdefault(link, []).append(index)
            self.item(questions[order[link]], item, here)
        for question in questions:
            self.presence(question, met.get(_link(question), []), place)

    def presence(self, question: dict[str, Any], indexes: list[int], place: Place) -> None:
        """An item is there when it must be, once unless it repeats, and only when it is enabled."""
        link = _link(question)
        if len(indexes) > 1 and (question.get("type") != "group" or question.get("repeats") is not True):
            text = f"The item {shown(link)} stands {len(indexes)} times; give its answers in one item."
            self.error("structure", text, (place, "item", indexes[1]))
        if not indexes:
            if question.get("required") is True and self.finished and self.enabled(question):
                text = f"The required item {shown(link)} has no answer. Answer it."
                self.findings.add("error", "required", text, place, "cm-card", URL)
                self.findings.scope.incomplete = False
        elif not self.enabled(question):
            text = f"The item {shown(link)} is answered although its condition does not hold. Remove it."
            self.error("structure", text, (place, "item", indexes[0]))

    def item(self, question: dict[str, Any], item: dict[str, Any], place: Place) -> None:
        """One item of the response."""
        kind = question.get("type")
        answers = item.get("answer")
        answers = answers if type(answers) is list else []
        if kind in ("group", "display"):
            if answers:
                self.error("structure", f"A {kind} takes no answer. Remove it.", (place, "answer", -1))
            self.level(question, item, place)
            return
        if _items(item):
            text = "Items below a question stand inside its answer. Move them there."
            self.error("structure", text, (place, "item", -1))
        if not answers and question.get("required") is True and self.finished and self.enabled(question):
            text = f"The required item {shown(question.get('linkId'))} has no answer. Answer it."
            self.findings.add("error", "required", text, place, "cm-card", URL)
            self.findings.scope.incomplete = False
        if len(answers) > 1 and question.get("repeats") is not True:
            self.error("structure", f"{len(answers)} answers are given; one is allowed.", (place, "answer", -1))
        for index, answer in enumerate(answers):
            if type(answer) is dict:
                self.answer(question, answer, (place, "answer", index))

    def answer(self, question: dict[str, Any], answer: dict[str, Any], place: Place) -> None:
        """One answer: its type, its length, whether it is among the options; then the items below it."""
        kind = str(question.get("type"))
        key = next((one for one in answer if one.startswith("value")), "")
        allowed = _TYPES.get(kind, ())
        options = _objects(question, "answerOption")
        if kind == "choice" and (not options or any("valueCoding" in one for one in options)):
            allowed = ("valueCoding",)
        at = (place, "value", -1)
        if key and allowed and key not in allowed:
            text = f"{key} does not answer a question of type {kind}; use {' or '.join(allowed)}."
            self.error("structure", text, at)
        elif key:
            self.option(question, kind, key, answer[key], options, at)
            longest = question.get("maxLength")
            if type(longest) is int and type(answer[key]) is str and len(answer[key]) > longest:
                text = f"The answer has {len(answer[key])} characters; at most {longest} allowed."
                self.error("too-long", text, at)
        self.level(question, answer, place)

    def option(
        self, question: dict[str, Any], kind: str, key: str, value: Any, options: list[dict[str, Any]], place: Place
    ) -> None:
        """An answer is among the options listed, or in the value set named."""
        if kind == "open-choice" and key == "valueString":
            return
        if options and not any(_matches(one.get(key), value) for one in options):
            self.error("code-invalid", f"{_spelled(value)} is not among the options. Choose one of them.", place)
        url = question.get("answerValueSet")
        if type(url) is not str or key != "valueCoding" or url.startswith("#"):
            return
        if bindings.held(self.findings.engine.terminology, url.partition("|")[0], value) is False:
            self.error("code-invalid", f"{_spelled(value)} is not in the value set {url}.", place)

    def enabled(self, question: dict[str, Any]) -> bool:
        """Whether the conditions of an item hold; one that cannot be told counts as holding."""
        conditions = _objects(question, "enableWhen")
        if not conditions:
            return True
        held = [self.holds(one) for one in conditions]
        return any(held) if question.get("enableBehavior") == "any" else all(held)

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether one enableWhen holds."""
        operator = condition.get("operator")
        asked = condition.get("question")
        given = self.given.get(asked, []) if type(asked) is str else []
        wanted = next((value for key, value in condition.items() if key.startswith("answer")), None)
        if operator == "exists":
            return bool(given) is (wanted is True)
        values = [one[key] for one in given for key in one if key.startswith("value")]
        if operator == "!=":
            return any(not _matches(wanted, one) for one in values) or not values
        return any(_compares(one, wanted, str(operator)) for one in values)


def _spelled(value: Any) -> str:
    if type(value) is dict:
        return f"{shown(value.get('code', value.get('display', '')))} of {str(value.get('system', 'no system'))[:80]}"
    return shown(value)


def _matches(wanted: Any, value: Any) -> bool:
    if type(wanted) is dict and type(value) is dict:
        if "code" in wanted or "code" in value:
            return bool(wanted.get("code") == value.get("code") and wanted.get("system") == value.get("system"))
        keys = ("display",) if "display" in wanted else ("reference", "value", "unit")
        return all(wanted.get(key) == value.get(key) for key in keys)
    return type(wanted) is type(value) and bool(wanted == value)


def _compares(value: Any, wanted: Any, operator: str) -> bool:
    if operator == "=":
        return _matches(wanted, value)
    if type(value) is dict and type(wanted) is dict:
        value, wanted = value.get("value"), wanted.get("value")
    order: int | None
    if isinstance(value, int | Decimal) and isinstance(wanted, int | Decimal):
        order = (value > wanted) - (value < wanted)
    elif isinstance(value, str) and isinstance(wanted, str):
        order = compare(value, wanted)
        order = (value > wanted) - (value < wanted) if order is None else order
    else:
        return True
    return {"<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}.get(operator, True)
