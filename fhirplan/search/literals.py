"""Reads one value of a search parameter as it is spelled in a url (R4 sections 3.1.1.4.3 to 3.1.1.4.12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from fhirplan.errors import InvalidSearch
from fhirplan.fhir.dates import span
from fhirplan.fhir.reference import ID as ID_PATTERN
from fhirplan.fhir.reference import parse as parse_reference
from fhirplan.search.criteria import (
    DateValue,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirplan.search.definitions import DATE_PREFIXES, NUMBER_PREFIXES, SearchParameter
from fhirplan.search.values import LONGEST, folded, key

_PREFIXED: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)
_APART: Final = re.compile(r"(?:\\.|[^\\])", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\,$|])")
# A uri longer than an index keeps is known by its digest, so that nothing is below it.
_LONGEST_ROOT: Final = 180


def values(parameter: SearchParameter, text: str, base: str) -> Sequence[Value]:
    """What one value spells, without a modifier; raises InvalidSearch saying how it is written."""
    match parameter.type:
        case "token":
            return (token(parameter, text),)
        case "reference":
            return references(parameter, plain(text), "", base)
        case "date":
            return (date(parameter, plain(text)),)
        case "string":
            return (string(parameter, plain(text)),)
        case "uri":
            return (UriValue(key(plain(text))),)
        case "number":
            return (number(parameter, plain(text)),)
        case "quantity":
            return (quantity(parameter, text),)


def token(parameter: SearchParameter, text: str) -> TokenValue:
    """``code``, ``system|code``, ``|code`` or ``system|``."""
    parts = [plain(item) for item in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise malformed(parameter, text, "code, system|code, |code or system|")
    if len(parts) == 1:
        return TokenValue(None, key(parts[0]))
    system, code = parts
    return TokenValue(key(system), key(code) if code else None)


def typed_identifier(parameter: SearchParameter, text: str) -> UriValue:
    """``system|code|value``: an identifier of that type (R4's :of-type)."""
    parts = [plain(item) for item in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise malformed(parameter, text, "system|code|value: of the identifier's type, and the identifier's value")
    return UriValue(identifier_key(*parts))


def identifier_key(system: str, code: str, value: str) -> str:
    """The row by which :of-type finds an identifier."""
    return key(f"{system}|{code}|{value}")


def references(parameter: SearchParameter, text: str, target: str, base: str) -> Sequence[ReferenceValue]:
    """An id, ``Type/id`` or a url; ``target`` is the type that a modifier names, or ""."""
    form = "an id, Type/id or a url"
    if ID_PATTERN.fullmatch(text):
        only = parameter.targets[0] if len(parameter.targets) == 1 else None
        return (ReferenceValue(target_of(parameter, target) if target else only, text),)
    found = parse_reference(text)
    if target and (found is None or found.type != target):
        raise malformed(parameter, text, f"an id of a {target}")
    if found is not None and not found.server:
        return (ReferenceValue(target_of(parameter, found.type), found.id),)
    if ":" not in text:
        raise malformed(parameter, text, form)
    url = ReferenceValue("", key(text))
    return (ReferenceValue(found.type, found.id), url) if found is not None and found.server == base else (url,)


def target_of(parameter: SearchParameter, type: str) -> str:
    """The type, when the parameter may point to it; raises InvalidSearch listing where it may point."""
    if parameter.targets and type not in parameter.targets:
        allowed = ", ".join(parameter.targets)
        raise invalid(parameter.code, f"{parameter.code} cannot point to {shown(type)}, only to: {allowed}.")
    return type


def date(parameter: SearchParameter, text: str) -> DateValue:
    """A date, partial date or time, with or without a prefix."""
    prefix, rest = _prefixed(text)
    found = span(rest)
    if found is None:
        raise malformed(
            parameter,
            text,
            "a date such as 2026, 2026-11, 2026-11-21 or 2026-11-21T18:49:00Z (a + in a url is written %2B), "
            f"with or without one of {', '.join(DATE_PREFIXES)} before it",
        )
    return DateValue(prefix or "eq", found)


def string(parameter: SearchParameter, text: str) -> StringValue:
    """The beginning of a text, whose case, accents and blanks do not matter."""
    if len(text) > LONGEST:
        raise invalid(parameter.code, f"{parameter.code} has {len(text)} characters; at most {LONGEST} are compared.")
    found = folded(text)
    if not found:
        raise malformed(parameter, text, "the beginning of a text")
    return StringValue(found)


def uri_below(parameter: SearchParameter, text: str) -> UriValue:
    """A uri and all that go on after it with a slash (R4's :below)."""
    root = text.rstrip("/")
    if not root or len(root) > _LONGEST_ROOT:
        raise malformed(parameter, text, f"a uri of at most {_LONGEST_ROOT} characters")
    return UriValue(root, below=True)


def uris_above(text: str) -> Sequence[UriValue]:
    """The uri and all that it goes on from with a slash (R4's :above)."""
    found, rest = [text], text.rstrip("/")
    while "/" in rest:
        found.append(rest)
        rest = rest.rpartition("/")[0]
        found.append(f"{rest}/")
        rest = rest.rstrip("/")
    found.append(rest)
    return [UriValue(item) for item in dict.fromkeys(found) if item and len(item) <= LONGEST]


def number(parameter: SearchParameter, text: str) -> NumberValue:
    """A number whose digits say how exact it is, with or without a prefix."""
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest) or (prefix and prefix not in NUMBER_PREFIXES):
        allowed = f"a number, with or without one of {', '.join(NUMBER_PREFIXES)} before it"
        raise malformed(parameter, text, allowed)
    exact = Decimal(rest)
    exponent = exact.as_tuple().exponent
    half = Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else Decimal(0)
    if prefix == "ap":
        half = abs(exact) / 10
    return NumberValue(prefix or "eq", float(exact), float(exact - half), float(exact + half))


def quantity(parameter: SearchParameter, text: str) -> QuantityValue:
    """``number`` or ``number|system|code``."""
    parts = [plain(item) for item in split(text, "|")]
    if len(parts) not in (1, 3):
        raise malformed(parameter, text, "number or number|system|code")
    found = number(parameter, parts[0])
    if len(parts) == 1:
        return QuantityValue(found, None, "")
    return QuantityValue(found, key(parts[1]) if parts[1] else None, key(parts[2]))


def _prefixed(text: str) -> tuple[str, str]:
    found = _PREFIXED.fullmatch(text)
    return (found[1] or "", found[2]) if found else ("", text)


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that have no backslash before them; escapes stay for ``plain``."""
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


def plain(text: str) -> str:
    """The text without the backslashes that keep separators from separating."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def shown(text: str) -> str:
    """The text as an error repeats it: no longer than a line."""
    return text if len(text) <= 60 else text[:60] + "…"


def malformed(parameter: SearchParameter, text: str, allowed: str) -> InvalidSearch:
    """The error about a value that is none of the parameter's type."""
    return invalid(parameter.code, f"{parameter.code}={shown(text)} is no {parameter.type} value. Write {allowed}.")


def invalid(code: str, text: str) -> InvalidSearch:
    """The error about a parameter."""
    return InvalidSearch(text, expression=code)
