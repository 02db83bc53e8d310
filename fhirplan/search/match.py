"""Says whether one resource fulfils a search, from the resource alone: slow, obvious, and the test of the database.

``_lastUpdated`` is asked of ``meta.lastUpdated``. Paging, order and counts are not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import Span, span
from fhirplan.fhir.resource import last_updated
from fhirplan.search.definitions import ID, LAST_UPDATED, SearchParameter
from fhirplan.search.query import (
    Condition,
    DateValue,
    NumberValue,
    QuantityValue,
    Query,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirplan.search.values import Row, extractor

_extractor = lru_cache(maxsize=256)(extractor)


def matches(resource: Resource, query: Query, parameters: Sequence[SearchParameter], base: str = "") -> bool:
    """Whether the resource is of the query's type and fulfils all its conditions."""
    if resource.get("resourceType") != query.type:
        return False
    codes = {condition.parameter.code for condition in query.conditions}
    rows = _extractor(tuple(item for item in parameters if item.code in codes), base)(resource)
    return all(fulfils(resource, rows, condition) for condition in query.conditions)


def fulfils(resource: Resource, rows: set[Row], condition: Condition) -> bool:
    """Whether one of the resource's values of the parameter matches one of the condition's."""
    parameter = condition.parameter
    if parameter == ID:
        return any(
            isinstance(v, TokenValue) and v.system in (None, "") and v.code == resource["id"] for v in condition.values
        )
    if parameter == LAST_UPDATED:
        moment = span(last_updated(resource))
        found: list[tuple[Any, ...]] = [(moment.low, moment.high, 0)] if moment else []
    else:
        found = [row[2] for row in rows if row[0] == parameter.code and row[1] == parameter.type]
    return any(_equals(value, row) for value in condition.values for row in found)


def _equals(value: Value, row: tuple[Any, ...]) -> bool:
    match value:
        case TokenValue(system, code):
            return (code is None or row[0] == code) and (system is None or row[1] == system)
        case ReferenceValue(type_, id_):
            return row[1] == id_ and (row[0] == type_ if type_ is not None else True)
        case UriValue(text):
            return bool(row[0] == text)
        case StringValue(text):
            return str(row[0]).startswith(text)
        case DateValue(prefix, wanted):
            return _date(prefix, wanted, Span(row[0], row[1]), period=bool(row[2]))
        case NumberValue():
            return _number(value, row[0], row[1])
        case QuantityValue(number, system, code):
            return _number(number, row[0], row[1]) and _unit(system, code, row)


def _date(prefix: str, wanted: Span, found: Span, *, period: bool) -> bool:
    # A Period or Timing equals a time it overlaps; a date or time equals one that contains it (R4 section 3.1.1.4.5).
    equal = wanted.overlaps(found) if period else wanted.contains(found)
    match prefix:
        case "eq":
            return equal
        case "ne":
            return not equal
        case "gt":
            return found.high > wanted.high
        case "lt":
            return found.low < wanted.low
        case "ge":
            return equal or found.high > wanted.high
        case "le":
            return equal or found.low < wanted.low
        case "sa":
            return found.low >= wanted.high
        case "eb":
            return found.high <= wanted.low
        case _:
            return wanted.overlaps(found)


def _number(wanted: NumberValue, low: float, high: float) -> bool:
    # Only equality takes the digits into account; a comparison is with the number itself (R4 section 3.1.1.4.6).
    equal = wanted.low <= low and high < wanted.high
    match wanted.prefix:
        case "eq":
            return equal
        case "ne":
            return not equal
        case "gt":
            return high > wanted.exact
        case "lt":
            return low < wanted.exact
        case "ge":
            return high >= wanted.exact
        case "le":
            return low <= wanted.exact
        case _:
            return low <= wanted.high and high >= wanted.low


def _unit(system: str | None, code: str, row: tuple[Any, ...]) -> bool:
    if system is not None:
        return bool(row[2] == system) and code in ("", row[3])
    return code in ("", row[3], row[4])
