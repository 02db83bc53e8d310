"""Says which questions of a form are to be asked, by the answers to the others (R4 enableWhen)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhirplan.chart.answers import Answers, field, given
from fhirplan.chart.questions import Question, Section, number


def asked(listed: tuple[Section, ...], answers: Answers) -> frozenset[str]:
    """The linkIds of the questions that are to be asked, by the answers to the others.

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
    wanted = field(wanted)
    kind = every[link].kind if link in every else ""
    return any(_compares(str(operator), item, wanted, kind) for item in found)


def _compares(operator: str, found: str, wanted: str, kind: str) -> bool:
    if operator in ("=", "!="):
        left, right = (number(found), number(wanted)) if kind in ("integer", "decimal", "quantity") else (None, None)
        return (left == right if left is not None and right is not None else found == wanted) is (operator == "=")
    one, other = number(found), number(wanted)
    pair = (one, other) if one is not None and other is not None else (found, wanted)
    steps = {">": pair[0] > pair[1], "<": pair[0] < pair[1], ">=": pair[0] >= pair[1], "<=": pair[0] <= pair[1]}  # type: ignore[operator]
    return steps.get(operator, False)
