"""Reads ``_filter``: comparisons joined by and, or, not and brackets (a subset of R4 section 3.1.3).

``status eq requested and (due lt 2026-12-01 or due pr false)``. A comparison is a parameter, or a chain to one, an
operator and a value, which stands in quotes when it has blanks or brackets. ``ne`` on a token, string, reference or
uri means that no value is equal; on a date, number or quantity it is the prefix of that name. ``and`` and ``or`` are
not mixed without brackets, since readers differ on which goes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fhirplan.errors import InvalidSearch, TooCostly
from fhirplan.search import literals
from fhirplan.search.chains import chain
from fhirplan.search.context import Context, unknown
from fhirplan.search.criteria import (
    Condition,
    Criterion,
    Every,
    Missing,
    Negation,
    Some,
    StringValue,
)
from fhirplan.search.definitions import DATE_PREFIXES, ID, LAST_UPDATED, NUMBER_PREFIXES, SearchParameter
from fhirplan.search.literals import invalid, shown

DEEPEST: Final = 20
# What each type of parameter is compared by, besides ``pr`` (present: true or false).
OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("eq", "ne"),
    "reference": ("eq", "ne", "re"),
    "uri": ("eq", "ne"),
    "string": ("eq", "ne", "co", "sw", "ew"),
    "date": DATE_PREFIXES,
    "number": NUMBER_PREFIXES,
    "quantity": NUMBER_PREFIXES,
}
_TOKEN: Final = re.compile(r'\s*([()]|"(?:[^"\\]|\\.)*"|[^\s()"]+)', re.DOTALL)
_WORDS: Final = frozenset({"and", "or", "not"})


def read(context: Context, type: str, known: Mapping[str, SearchParameter], text: str) -> Criterion:
    """The criterion that a filter spells; raises InvalidSearch saying where it cannot be read, and TooCostly."""
    reader = _Reader(context, type, known, _tokens(text))
    found = reader.any_of(0)
    if reader.at < len(reader.tokens):
        raise _wrong(f"there is {shown(reader.tokens[reader.at])} where nothing more is expected")
    return found


def _tokens(text: str) -> list[str]:
    tokens, end = [], 0
    while end < len(text.rstrip()):
        found = _TOKEN.match(text, end)
        if found is None:
            raise _wrong("a quote is not closed")
        tokens.append(found[1])
        end = found.end()
    return tokens


@dataclass(slots=True)
class _Reader:
    context: Context
    type: str
    known: Mapping[str, SearchParameter]
    tokens: list[str]
    at: int = 0

    def any_of(self, depth: int) -> Criterion:
        if depth > DEEPEST:
            raise TooCostly(f"_filter has more than {DEEPEST} brackets within each other.")
        parts, word = [self._one(depth)], ""
        while (following := self._peek()) in ("and", "or"):
            if word and following != word:
                raise _wrong("and stands beside or; put brackets around one of them")
            word = following
            self.at += 1
            parts.append(self._one(depth))
        if len(parts) == 1:
            return parts[0]
        return Every(tuple(parts)) if word == "and" else Some(tuple(parts))

    def _one(self, depth: int) -> Criterion:
        word = self._next("a comparison")
        if word == "not":
            if self._peek() != "(":
                raise _wrong("not is followed by a bracket, as in not (status eq draft)")
            return Negation(self._one(depth))
        if word != "(":
            return self._comparison(word)
        found = self.any_of(depth + 1)
        if self._next("a closing bracket") != ")":
            raise _wrong("a bracket is not closed")
        return found

    def _comparison(self, path: str) -> Criterion:
        operator = self._next("an operator")
        value = self._next("a value")
        if value in _WORDS or value in "()":
            raise _wrong(f"{shown(path)} {shown(operator)} has no value")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        return _compared(self.context, self.type, self.known, path, operator, value, 0)

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _next(self, wanted: str) -> str:
        if self.at >= len(self.tokens):
            raise _wrong(f"it ends where {wanted} is expected")
        self.at += 1
        return self.tokens[self.at - 1]


def _compared(
    context: Context,
    type: str,
    known: Mapping[str, SearchParameter],
    path: str,
    operator: str,
    value: str,
    depth: int,
) -> Criterion:
    step, dot, rest = path.partition(".")
    code, _, target = step.partition(":")
    parameter = known.get(code)
    if parameter is None:
        raise unknown(type, code, known)
    if dot:

        def further(target: str, beyond: Mapping[str, SearchParameter], rest: str, depth: int) -> Criterion:
            return _compared(context, target, beyond, rest, operator, value, depth)

        return chain(context, type, parameter, target, rest, further, depth)
    return _condition(context, parameter, operator, value)


def _condition(context: Context, parameter: SearchParameter, operator: str, value: str) -> Criterion:
    if operator == "pr" and parameter not in (ID, LAST_UPDATED):
        if value not in ("true", "false"):
            raise _wrong(f"{parameter.code} pr is followed by true or false")
        return Missing(parameter, value == "false")
    offered = OPERATORS[parameter.type]
    if operator not in offered:
        raise _wrong(f"{parameter.code} is compared by {', '.join((*offered, 'pr'))}, not by {shown(operator)}")
    if parameter.type in ("date", "number", "quantity"):
        return Condition(parameter, tuple(literals.values(parameter, operator + value, context.base)))
    if parameter.type == "string":
        text = literals.string(parameter, value).text
        how = _HOW.get(operator)
        return Condition(parameter, (how(text) if how else StringValue(text, "is"),), negated=operator == "ne")
    # In here neither a comma nor a backslash stands for anything but itself.
    escaped = value.replace("\\", "\\\\")
    return Condition(parameter, tuple(literals.values(parameter, escaped, context.base)), negated=operator == "ne")


_HOW: Final = {
    "co": lambda text: StringValue(text, "contains"),
    "sw": lambda text: StringValue(text, "begins"),
    "ew": lambda text: StringValue(text, "ends"),
}


def _wrong(what: str) -> InvalidSearch:
    return invalid(
        "_filter", f"_filter cannot be read: {what}. Write for example: status eq draft and not (due pr true)."
    )
