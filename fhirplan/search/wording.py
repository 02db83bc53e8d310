"""Says in words how a search was understood: each criterion, the order of the pages, what is added to them."""

from __future__ import annotations

from typing import Final

from fhirplan.fhir.dates import BEGINNING, END, Span, instant
from fhirplan.search.criteria import (
    Chain,
    Condition,
    Criterion,
    DateValue,
    Every,
    Has,
    Missing,
    Negation,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    Some,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirplan.search.results import Include, SortKey
from fhirplan.search.values import Row

_DATE: Final = {
    "eq": "is within",
    "ne": "is not within",
    "gt": "ends after",
    "lt": "begins before",
    "ge": "is within or ends after",
    "le": "is within or begins before",
    "sa": "begins after",
    "eb": "ends before",
    "ap": "overlaps",
}
_NUMBER: Final = {
    "eq": "is",
    "ne": "is not",
    "gt": "is over",
    "lt": "is under",
    "ge": "is at least",
    "le": "is at most",
    "sa": "begins over",
    "eb": "ends under",
}
_TEXT: Final = {"begins": "begins with", "contains": "contains", "ends": "ends with", "is": "is"}


def criterion(asked: Criterion) -> str:
    """What a criterion asks of a resource."""
    match asked:
        case Condition(parameter, values, negated):
            said = " or ".join(_value(item) for item in values)
            return f"{parameter.code}: {f'none that {said}' if negated else said}"
        case Missing(parameter, missing):
            return f"{parameter.code}: {'has no value' if missing else 'has a value'}"
        case Chain(parameter, type_, inner):
            return f"{parameter.code}: refers to a {type_} whose [{criterion(inner)}]"
        case Has(type_, parameter, inner):
            return f"a {type_} refers to it by {parameter.code}, whose [{criterion(inner)}]"
        case Every(parts):
            return "(" + ") and (".join(criterion(part) for part in parts) + ")" if parts else "anything"
        case Some(parts):
            return "(" + ") or (".join(criterion(part) for part in parts) + ")" if parts else "nothing"
        case Negation(part):
            return f"not ({criterion(part)})"


def _value(value: Value) -> str:
    match value:
        case TokenValue(system, code):
            return f"is {code if code is not None else 'any code'}{_system(system)}"
        case ReferenceValue(type_, id_):
            return f"refers to {id_}" + (" of any type" if type_ is None else "") if not type_ else f"is {type_}/{id_}"
        case UriValue(text, below):
            return f"is {text}" + (" or below it" if below else "")
        case StringValue(text, how):
            return f"{_TEXT[how]} {text!r}, without regard to case and accents"
        case DateValue(prefix, span):
            return f"{_DATE[prefix]} {_span(span)}"
        case NumberValue():
            return _number(value)
        case QuantityValue(number, system, code):
            return f"{_number(number)} {code or 'of any unit'}{_system(system) if code else ''}"


def _system(system: str | None) -> str:
    return " of any system" if system is None else f" of {system}" if system else " without a system"


def _number(value: NumberValue) -> str:
    if value.prefix in ("eq", "ne"):
        return f"{_NUMBER[value.prefix]} from {value.low:g} up to {value.high:g}"
    if value.prefix in _NUMBER:
        return f"{_NUMBER[value.prefix]} {value.exact:g}"
    return f"is about {value.exact:g}"


def _span(span: Span) -> str:
    low = "the beginning" if span.low <= BEGINNING else instant(span.low)
    high = "the end" if span.high >= END else instant(span.high)
    return f"{low} up to {high}"


def order(keys: tuple[SortKey, ...]) -> str:
    """In which order the pages come."""
    if not keys:
        return "as first stored"
    return ", then ".join(f"by {key.parameter.code}{', descending' if key.descending else ''}" for key in keys)


def include(asked: Include) -> str:
    """What an include adds."""
    source = "any resource" if asked.source == "*" else asked.source
    code = "any parameter" if asked.code == "*" else asked.code
    target = f" of type {asked.target}" if asked.target else ""
    said = (
        f"each {source} that refers to a match by {code}" if asked.reverse else f"what a {source} refers to by {code}"
    )
    return f"{said}{target}{', and so on from there' if asked.iterate else ''}"


def row(found: Row) -> str:
    """A value that a resource is found by."""
    _, kind, value = found
    if kind == "date":
        return _span(Span(value[0], value[1]))
    if kind == "reference":
        return "/".join(part for part in value if part)
    if kind == "token":
        return f"{value[1]}|{value[0]}" if value[1] else str(value[0])
    return " ".join(str(part) for part in value if part not in ("", None))
