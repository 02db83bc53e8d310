"""Reads the parameters of a search into a Query, or says which of them is wrong and what the type supports.

Nothing is ignored: an unknown parameter, modifier or malformed value raises InvalidSearch (R4 section 3.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from fhirplan.errors import InvalidSearch, TooCostly
from fhirplan.fhir.dates import Span, span
from fhirplan.fhir.reference import ID as ID_PATTERN
from fhirplan.fhir.reference import parse as parse_reference
from fhirplan.search import page
from fhirplan.search.definitions import DATE_PREFIXES, LAST_UPDATED, NUMBER_PREFIXES, SearchParameter
from fhirplan.search.values import LONGEST, folded, key

Sort = Literal["stored", "updated", "-updated"]

RESULT_PARAMETERS: Final = ("_count", "_sort", "_total", "_summary", "_page")
SORTS: Final = ("_lastUpdated", "-_lastUpdated")
# About the form of the answer, not about the search; whoever speaks HTTP reads them.
_FORM: Final = frozenset({"_format", "_pretty"})
_EQUALITY: Final = frozenset({"token", "reference", "uri"})
_COUNT: Final = re.compile(r"\d{1,18}", re.ASCII)
_PREFIXED: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)
_APART: Final = re.compile(r"(?:\\.|[^\\])", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\,$|])")


@dataclass(frozen=True, slots=True)
class TokenValue:
    """``system`` None stands for any, "" for none; ``code`` None for any code in the system."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """Type and id; ``type`` None for any type, "" where ``id`` is a whole url."""

    type: str | None
    id: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A span of time and how to compare with it."""

    prefix: str
    span: Span


@dataclass(frozen=True, slots=True)
class StringValue:
    """A beginning, folded."""

    text: str


@dataclass(frozen=True, slots=True)
class UriValue:
    """A whole uri."""

    text: str


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number and the span its digits stand for (``5.4`` is from 5.35 up to, without, 5.45)."""

    prefix: str
    exact: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number with a unit: ``system`` None for any, ``code`` "" for any; without system the code may be a unit."""

    number: NumberValue
    system: str | None
    code: str


Value = TokenValue | ReferenceValue | DateValue | StringValue | UriValue | NumberValue | QuantityValue


@dataclass(frozen=True, slots=True)
class Condition:
    """A resource fulfils it when one of its values of the parameter matches one of ``values``."""

    parameter: SearchParameter
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one search may ask for."""

    default_count: int = 50
    max_count: int = 1000
    max_values: int = 500


@dataclass(frozen=True, slots=True)
class Query:
    """A search: all ``conditions`` hold. ``pairs`` are its parameters as given, but for the page.

    ``count`` resources make a page (0: only the total is wanted), which begins after ``after``. ``digest`` binds
    cursors to the search.
    """

    type: str
    conditions: tuple[Condition, ...]
    sort: Sort
    count: int
    total: bool
    after: page.Position | None
    digest: str
    pairs: tuple[tuple[str, str], ...]


def parse(
    type: str,
    parameters: Sequence[SearchParameter],
    pairs: Iterable[tuple[str, str]],
    *,
    limits: Limits = Limits(),
    base: str = "",
) -> Query:
    """The search that ``pairs`` ask for, as decoded from a query string or a form.

    ``parameters`` are those of the type. ``base`` is the url of our own FHIR endpoint, whose absolute references are
    the same as relative ones. Raises InvalidSearch, with the parameter in the issue's ``expression``, and TooCostly
    when more values are given than ``limits`` allows.
    """
    given = [(name, text) for name, text in pairs if name not in _FORM]
    known = {item.code: item for item in parameters}
    results: dict[str, str] = {}
    conditions: list[Condition] = []
    for name, text in given:
        if name in RESULT_PARAMETERS:
            if name in results:
                raise _invalid(name, f"{name} is given twice. Give it once.")
            results[name] = text
        else:
            conditions.append(_condition(type, known, name, text, base))
    values = sum(len(item.values) for item in conditions)
    if values > limits.max_values:
        raise TooCostly(f"The search names {values} values; at most {limits.max_values} are looked for at once.")
    kept = tuple((name, text) for name, text in given if name != "_page")
    digest = page.digest(type, kept)
    only_count = _summary(results)
    return Query(
        type,
        tuple(conditions),
        _sort(results, conditions),
        0 if only_count else _count(results, limits),
        _total(results) or only_count,
        page.read(results["_page"], digest) if "_page" in results else None,
        digest,
        kept,
    )


def _condition(type: str, known: dict[str, SearchParameter], name: str, text: str, base: str) -> Condition:
    code, colon, modifier = name.partition(":")
    parameter = known.get(code)
    if parameter is None:
        hint = " Chained search (a dot in the name) is not offered." if "." in code else ""
        offered = ", ".join(sorted([*known, *RESULT_PARAMETERS]))
        raise _invalid(code, f"{type} has no search parameter {_shown(code)}.{hint} It has: {offered}.")
    if colon and (parameter.type != "reference" or not modifier[:1].isupper()):
        takes = "takes a type as modifier" if parameter.type == "reference" else "takes no modifier"
        raise _invalid(code, f"The modifier :{_shown(modifier)} is not offered; {code} of {type} {takes}.")
    parts = _split(text, ",")
    if not all(parts):
        raise _invalid(code, f"{code} has an empty value. Give it a value or leave it out.")
    values: list[Value] = []
    for part in parts:
        values.extend(_values(parameter, part, modifier, base))
    return Condition(parameter, tuple(values))


def _values(parameter: SearchParameter, text: str, modifier: str, base: str) -> Sequence[Value]:
    match parameter.type:
        case "token":
            return (_token(parameter, text),)
        case "reference":
            return _references(parameter, _plain(text), modifier, base)
        case "date":
            return (_date(parameter, _plain(text)),)
        case "string":
            return (_string(parameter, _plain(text)),)
        case "uri":
            return (UriValue(key(_plain(text))),)
        case "number":
            return (_number(parameter, _plain(text)),)
        case "quantity":
            return (_quantity(parameter, text),)


def _token(parameter: SearchParameter, text: str) -> TokenValue:
    parts = [_plain(item) for item in _split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise _malformed(parameter, text, "code, system|code, |code or system|")
    if len(parts) == 1:
        return TokenValue(None, key(parts[0]))
    system, code = parts
    return TokenValue(key(system), key(code) if code else None)


def _references(parameter: SearchParameter, text: str, modifier: str, base: str) -> Sequence[ReferenceValue]:
    form = "an id, Type/id or a url"
    if ID_PATTERN.fullmatch(text):
        only = parameter.targets[0] if len(parameter.targets) == 1 else None
        return (ReferenceValue(_target(parameter, modifier) if modifier else only, text),)
    found = parse_reference(text)
    if modifier and (found is None or found.type != modifier):
        raise _malformed(parameter, text, f"an id of a {modifier}")
    if found is not None and not found.server:
        return (ReferenceValue(_target(parameter, found.type), found.id),)
    if ":" not in text:
        raise _malformed(parameter, text, form)
    url = ReferenceValue("", key(text))
    return (ReferenceValue(found.type, found.id), url) if found is not None and found.server == base else (url,)


def _target(parameter: SearchParameter, type: str) -> str:
    if parameter.targets and type not in parameter.targets:
        allowed = ", ".join(parameter.targets)
        raise _invalid(parameter.code, f"{parameter.code} cannot point to {_shown(type)}, only to: {allowed}.")
    return type


def _date(parameter: SearchParameter, text: str) -> DateValue:
    prefix, rest = _prefixed(text)
    found = span(rest)
    if found is None:
        raise _malformed(
            parameter,
            text,
            "a date such as 2026, 2026-11, 2026-11-21 or 2026-11-21T18:49:00Z (a + in a url is written %2B), "
            f"with or without one of {', '.join(DATE_PREFIXES)} before it",
        )
    return DateValue(prefix or "eq", found)


def _string(parameter: SearchParameter, text: str) -> StringValue:
    if len(text) > LONGEST:
        raise _invalid(parameter.code, f"{parameter.code} has {len(text)} characters; at most {LONGEST} are compared.")
    found = folded(text)
    if not found:
        raise _malformed(parameter, text, "the beginning of a text")
    return StringValue(found)


def _number(parameter: SearchParameter, text: str) -> NumberValue:
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest) or (prefix and prefix not in NUMBER_PREFIXES):
        allowed = f"a number, with or without one of {', '.join(NUMBER_PREFIXES)} before it"
        raise _malformed(parameter, text, allowed)
    exact = Decimal(rest)
    exponent = exact.as_tuple().exponent
    half = Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else Decimal(0)
    if prefix == "ap":
        half = abs(exact) / 10
    return NumberValue(prefix or "eq", float(exact), float(exact - half), float(exact + half))


def _quantity(parameter: SearchParameter, text: str) -> QuantityValue:
    parts = [_plain(item) for item in _split(text, "|")]
    if len(parts) not in (1, 3):
        raise _malformed(parameter, text, "number or number|system|code")
    number = _number(parameter, parts[0])
    if len(parts) == 1:
        return QuantityValue(number, None, "")
    return QuantityValue(number, key(parts[1]) if parts[1] else None, key(parts[2]))


def _prefixed(text: str) -> tuple[str, str]:
    found = _PREFIXED.fullmatch(text)
    return (found[1] or "", found[2]) if found else ("", text)


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that have no backslash before them; escapes stay for ``_plain``."""
    if "\\" not in text:
        return text.split(separator)
    parts, part = [], ""
    for item in _APART.findall(text):
        if item == separator:
            parts.append(part)
            part = ""
        else:
            part += item
    return [*parts, part]


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _count(results: dict[str, str], limits: Limits) -> int:
    text = results.get("_count")
    if text is None:
        return limits.default_count
    if not _COUNT.fullmatch(text):
        raise _invalid("_count", f"_count must be a whole number from 0 up, not {_shown(text)}.")
    return min(int(text), limits.max_count)


def _total(results: dict[str, str]) -> bool:
    return _choice(results, "_total", ("none", "accurate", "estimate"), "none") != "none"


def _summary(results: dict[str, str]) -> bool:
    return _choice(results, "_summary", ("false", "count"), "false") == "count"


def _choice(results: dict[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    text = results.get(name, default)
    if text not in allowed:
        raise _invalid(name, f"{name}={_shown(text)} is not offered. Offered are: {', '.join(allowed)}.")
    return text


def _sort(results: dict[str, str], conditions: Iterable[Condition]) -> Sort:
    text = results.get("_sort")
    if text is not None and text not in SORTS:
        raise _invalid("_sort", f"_sort={_shown(text)} is not offered. Offered are: {', '.join(SORTS)}.")
    if text is not None:
        return "updated" if text == "_lastUpdated" else "-updated"
    # Whoever asks for changes since a moment reads them in the order they happened, along the index of changes.
    since = any(item.parameter == LAST_UPDATED for item in conditions)
    return "updated" if since and not any(item.parameter.type in _EQUALITY for item in conditions) else "stored"


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _malformed(parameter: SearchParameter, text: str, allowed: str) -> InvalidSearch:
    return _invalid(parameter.code, f"{parameter.code}={_shown(text)} is no {parameter.type} value. Write {allowed}.")


def _invalid(code: str, text: str) -> InvalidSearch:
    return InvalidSearch(text, expression=code)
