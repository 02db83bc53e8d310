"""Says whether a JSON value is right for a primitive type (R4 section 2.24), with real calendar dates.

Each test takes any JSON value and answers quickly; ``wrong`` explains a refusal in words.
"""

from __future__ import annotations

import binascii
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from fhirplan.validation.findings import shown

Test = Callable[[Any], bool]

_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_DAY: Final = r"(?!0000)(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_YEAR_MONTH: Final = r"(?!0000)\d{4}(?:-(?:0[1-9]|1[0-2]))?"
_date: Final = re.compile(rf"{_DAY}|{_YEAR_MONTH}", re.ASCII).fullmatch
_date_time: Final = re.compile(rf"{_DAY}(?:T{_TIME}{_ZONE})?|{_YEAR_MONTH}", re.ASCII).fullmatch
_instant: Final = re.compile(rf"{_DAY}T{_TIME}{_ZONE}", re.ASCII).fullmatch
_time: Final = re.compile(_TIME, re.ASCII).fullmatch
_code: Final = re.compile(r"[^\s\x00-\x1f]+(?:[ \t\n\r][^\s\x00-\x1f]+)*").fullmatch
_uri: Final = re.compile(r"[^\s\x00-\x1f]+").fullmatch
_id: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_oid: Final = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII).fullmatch
_any_case_uuid: Final = re.compile(r"urn:uuid:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_uuid: Final = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_forbidden: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search
_blank: Final = re.compile(r"[ \t\r\n]+")
LONGEST_STRING: Final = 1024 * 1024
LONGEST_INTEGER: Final = 2**31


def is_string(value: Any) -> bool:
    """A string with something in it, at most 1 MB, without control characters."""
    if type(value) is not str or not value:
        return False
    return value.isprintable() or (len(value) <= LONGEST_STRING and not _forbidden(value))


def is_text(value: Any) -> bool:
    """A string with something in it; what it may hold is checked elsewhere."""
    return type(value) is str and bool(value)


def is_code(value: Any) -> bool:
    """A string without blanks at its ends, single blanks inside."""
    return type(value) is str and _code(value) is not None


def is_uri(value: Any) -> bool:
    """A string without any blank; a urn:oid or urn:uuid is one (RFC 3061, RFC 4122)."""
    if type(value) is not str or _uri(value) is None:
        return False
    if value.startswith("urn:oid:"):
        return _oid(value) is not None
    return not value.startswith("urn:uuid:") or _any_case_uuid(value) is not None


def is_id(value: Any) -> bool:
    """1 to 64 letters, digits, hyphens or dots."""
    return type(value) is str and _id(value) is not None


def is_oid(value: Any) -> bool:
    """An OID as a urn."""
    return type(value) is str and _oid(value) is not None


def is_uuid(value: Any) -> bool:
    """A UUID as a urn, in lower case."""
    return type(value) is str and _uuid(value) is not None


def _in_calendar(found: re.Match[str] | None) -> bool:
    if found is None:
        return False
    day = found[3]
    return day is None or day <= "28" or int(day) <= monthrange(int(found[1]), int(found[2]))[1]


def is_date(value: Any) -> bool:
    """A year, a month, or a day that the calendar has."""
    return type(value) is str and _in_calendar(_date(value))


def is_date_time(value: Any) -> bool:
    """A date, or a day with time to the second and zone."""
    return type(value) is str and _in_calendar(_date_time(value))


def is_instant(value: Any) -> bool:
    """A day with time to the second and zone."""
    return type(value) is str and _in_calendar(_instant(value))


def is_time(value: Any) -> bool:
    """A time of day to the second, without zone."""
    return type(value) is str and _time(value) is not None


def is_boolean(value: Any) -> bool:
    """A JSON true or false."""
    return value is True or value is False


def is_integer(value: Any) -> bool:
    """A JSON number without point or exponent, within 32 bits."""
    return type(value) is int and -LONGEST_INTEGER <= value < LONGEST_INTEGER


def is_unsigned(value: Any) -> bool:
    """An integer that is not negative."""
    return type(value) is int and 0 <= value < LONGEST_INTEGER


def is_positive(value: Any) -> bool:
    """An integer above zero."""
    return type(value) is int and 0 < value < LONGEST_INTEGER


def is_decimal(value: Any) -> bool:
    """A JSON number."""
    return type(value) is int or isinstance(value, Decimal | float)


def is_base64(value: Any) -> bool:
    """Base64 in groups of four, blanks allowed between them."""
    if type(value) is not str or not value:
        return False
    try:
        binascii.a2b_base64(
            value if value.isprintable() and " " not in value else _blank.sub("", value), strict_mode=True
        )
    except ValueError:
        return False
    return True


TESTS: Final[Mapping[str, Test]] = {
    "boolean": is_boolean,
    "integer": is_integer,
    "unsignedInt": is_unsigned,
    "positiveInt": is_positive,
    "decimal": is_decimal,
    "string": is_string,
    "markdown": is_string,
    "xhtml": is_text,
    "code": is_code,
    "id": is_id,
    "uri": is_uri,
    "url": is_uri,
    "canonical": is_uri,
    "oid": is_oid,
    "uuid": is_uuid,
    "date": is_date,
    "dateTime": is_date_time,
    "instant": is_instant,
    "time": is_time,
    "base64Binary": is_base64,
}

_JSON_TYPE: Final[Mapping[str, str]] = {
    "boolean": "true or false, without quotes",
    "integer": "a whole number, without quotes",
    "unsignedInt": "a whole number, 0 or more, without quotes",
    "positiveInt": "a whole number, 1 or more, without quotes",
    "decimal": "a number, without quotes",
}
_FORM: Final[Mapping[str, str]] = {
    **_JSON_TYPE,
    "integer": "a whole number between -2147483648 and 2147483647, without quotes",
    "string": "text that is not empty and has no control characters (at most 1 MB)",
    "markdown": "text that is not empty and has no control characters (at most 1 MB)",
    "xhtml": "a div of XHTML",
    "code": "a code without blanks at its ends and with single blanks inside",
    "id": "1 to 64 letters, digits, '-' or '.'",
    "uri": "a URI without blanks; after urn:oid: an OID like 2.16.840, after urn:uuid: a whole UUID",
    "url": "a URL without blanks",
    "canonical": "a canonical URL without blanks",
    "oid": "an OID like urn:oid:1.2.3",
    "uuid": "a UUID like urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case",
    "date": "a date like 2026-03-09, 2026-03 or 2026 that the calendar has",
    "dateTime": "a date, or a day with time and zone like 2026-03-09T14:30:00-05:00",
    "instant": "a day with time and zone like 2026-03-09T14:30:00.000-05:00",
    "time": "a time like 14:30:00",
    "base64Binary": "base64 in groups of four characters",
}


def fits(value: Any, type_: str) -> bool:
    """Whether the JSON type (not the format) is the one this primitive has."""
    if type_ == "boolean":
        return isinstance(value, bool)
    if type_ in _JSON_TYPE:
        return isinstance(value, int | Decimal | float) and not isinstance(value, bool)
    return isinstance(value, str)


def wrong(value: Any, type_: str) -> str:
    """Why a value is no good for a primitive type, and what would be."""
    return f"{shown(value)} is not a valid {type_}. Write {_FORM.get(type_, 'a valid value')}."
