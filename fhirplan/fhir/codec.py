"""Reads and writes FHIR JSON without losing a digit.

A decimal stays a ``decimal.Decimal`` with the digits that were sent (R4 section 2.24.0.1: precision is meaning),
so ``1.50`` is written back as ``1.50`` and ``1e3`` as ``1e3``. Refused, with the place: duplicate keys (RFC 8259
section 4 leaves them undefined), NaN and Infinity, a byte order mark, text that is not UTF-8, lone surrogates,
nesting beyond a limit.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from fhirplan.errors import TYPOGRAPHIC_QUOTES, Issue, MalformedRequest, TooCostly

Json = Any
Resource = dict[str, Any]

MAX_DEPTH: Final = 100
MAX_DIGITS: Final = 400


class ExactDecimal(Decimal):
    """A decimal whose sent spelling differs from Python's (``1e3``, ``0.0000001``) and is kept."""

    literal: str

    @classmethod
    def read(cls, literal: str) -> Decimal:
        """The decimal of a JSON number, spelled as it was sent when written again."""
        value = Decimal(literal)
        if str(value) == literal:
            return value
        exact = cls(literal)
        exact.literal = literal
        return exact


class _Duplicate(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Duplicate(key)
            seen.add(key)
    return made


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _decimal(literal: str) -> Decimal:
    if len(literal) > MAX_DIGITS:
        raise ValueError(f"a number of {len(literal)} characters; at most {MAX_DIGITS} are read")
    try:
        return ExactDecimal.read(literal)
    except InvalidOperation:
        raise ValueError("a number whose exponent is out of range") from None


def _integer(literal: str) -> int | Decimal:
    if len(literal) > MAX_DIGITS:
        raise ValueError(f"a number of {len(literal)} characters; at most {MAX_DIGITS} are read")
    return int(literal) if literal != "-0" else ExactDecimal.read(literal)


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WHITESPACE: Final = " \t\n\r"


def loads(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Json:
    """The JSON value of a text, digits kept.

    Raises MalformedRequest with line and column for anything that is not one JSON value, TooCostly when it is nested
    deeper than ``max_depth``.
    """
    if isinstance(text, bytes):
        text = utf8(text, "JSON")
    if text.startswith("\ufeff"):
        raise _malformed("The text starts with a byte order mark. Send UTF-8 without one.", text, 0)
    try:
        value, end = _decoder.raw_decode(text, _skip(text, 0))
    except json.JSONDecodeError as error:
        raise _malformed(_not_json(error, text), text, error.pos) from None
    except _Duplicate as error:
        raise _malformed(
            f"The key {json.dumps(error.key)[:80]} stands twice in one object. Remove one of them.",
            text,
            _second_place(text, error.key),
        ) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError as error:
        raise _malformed(f"This is not JSON that FHIR can use: {error}.", text, 0) from None
    end = _skip(text, end)
    if end != len(text):
        raise _malformed("There is more text after the end of the JSON value.", text, end)
    if "\\u" in text and _has_lone_surrogate(value):
        raise _malformed("A string holds half of a surrogate pair, which is no character.", text, 0)
    if isinstance(value, dict | list) and text.count("{") + text.count("[") > max_depth and _depth(value) > max_depth:
        raise _too_deep(max_depth)
    return value


def _not_json(error: json.JSONDecodeError, text: str) -> str:
    found = text[error.pos : error.pos + 1]
    if not text.strip():
        return "This is not JSON: there is no text at all."
    if found and found in TYPOGRAPHIC_QUOTES:
        return f'This is not JSON: {found} is no quotation mark here. Write ".'
    return f"This is not JSON: {error.msg}."


def loads_resource(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Resource:
    """The resource of a JSON text; raises as ``loads`` does, and MalformedRequest when it is no FHIR resource."""
    value = loads(text, max_depth=max_depth)
    if not isinstance(value, dict):
        raise MalformedRequest(
            "A FHIR resource is a JSON object; this is "
            + ("an array." if isinstance(value, list) else "a single value.")
        )
    if not isinstance(value.get("resourceType"), str):
        raise MalformedRequest(
            Issue(
                "fatal",
                "structure",
                'The element resourceType is missing or no string. Say what this is, e.g. "resourceType": "CarePlan".',
            )
        )
    return value


def _encode_other(value: Any) -> Any:
    if isinstance(value, ExactDecimal):
        return msgspec.Raw(value.literal.encode())
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other)


def dumps(value: Json) -> bytes:
    """Compact UTF-8 JSON, keys in the order of the dict, digits as they were read."""
    try:
        return _encoder.encode(value)
    except OverflowError:  # an integer beyond 64 bits, which JSON allows and msgspec does not write
        return _encoder.encode(_raw_integers(value))


def pretty(value: Json) -> str:
    """JSON for people, indented by two blanks, digits as they were read."""
    return msgspec.json.format(dumps(value), indent=2).decode()


def _raw_integers(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _raw_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_raw_integers(item) for item in value]
    return msgspec.Raw(str(value).encode()) if type(value) is int else value


def utf8(data: bytes, format: str) -> str:
    """The text of a document in JSON or XML, as ``format`` says; raises MalformedRequest where it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise MalformedRequest(
            Issue(
                "fatal",
                "invalid",
                f"The text is not UTF-8 (byte {error.start}). FHIR {format} is always UTF-8.",
                line=before.count(b"\n") + 1,
                column=error.start - before.rfind(b"\n"),
            )
        ) from None


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITESPACE:
        position += 1
    return position


def _second_place(text: str, key: str) -> int:
    spelled = json.dumps(key, ensure_ascii=False)
    return max(text.find(spelled, text.find(spelled) + 1), 0)


def _malformed(message: str, text: str, position: int) -> MalformedRequest:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return MalformedRequest(Issue("fatal", "invalid", message, line=line, column=column))


def _too_deep(limit: int) -> TooCostly:
    return TooCostly(f"The JSON is nested more than {limit} levels deep. Flatten it or send it in parts.")


def _depth(value: Json) -> int:
    """How deep a value is nested, counted level by level, which is the fastest way found."""
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            child
            for item in level
            for child in (item.values() if item.__class__ is dict else item)
            if child.__class__ is dict or child.__class__ is list
        ]
    return depth


def _has_lone_surrogate(value: Json) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                return True
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


sys.set_int_max_str_digits(max(sys.get_int_max_str_digits(), MAX_DIGITS * 2))
