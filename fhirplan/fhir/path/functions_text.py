"""Functions on text (FHIRPath N1 section 5.6)."""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote

from fhirplan.fhir.path import regex
from fhirplan.fhir.path.arithmetic import bounded
from fhirplan.fhir.path.code import Code, from_many, from_one, from_truth, one_value
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.nodes import NOTHING, Items, content


def _text(value: Any, name: str) -> str | None:
    """A value as a text, None for none; raises NotEvaluable for several values or another type."""
    if value is None or type(value) is str:
        return value
    one_value(value, f"{name}()")
    raise NotEvaluable(f"{name}() works on text and is given something else.")


def _whole(value: Any, name: str) -> int | None:
    if value is None or type(value) is int:
        return value
    raise NotEvaluable(f"{name}() needs a whole number.")


def _on_text(name: str, work: Callable[[str], Any]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        one = target.one

        def value(this: Any, context: Context) -> Any:
            text = _text(one(this, context), name)
            return None if text is None else work(text)

        return from_one(value)

    return build


def _with_text(name: str, work: Callable[[str, str], Any]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one, other = target.one, arguments[0].one

        def value(this: Any, context: Context) -> Any:
            text = _text(one(this, context), name)
            if text is None:
                return None
            argument = _text(other(this, context), name)
            return None if argument is None else work(text, argument)

        return from_one(value)

    return build


def _substring(target: Code, arguments: tuple[Code, ...]) -> Code:
    one, start = target.one, arguments[0].one
    length = arguments[1].one if len(arguments) > 1 else None

    def value(this: Any, context: Context) -> str | None:
        text = _text(one(this, context), "substring")
        first = _whole(start(this, context), "substring")
        if text is None or first is None or not 0 <= first < len(text):
            return None
        count = _whole(length(this, context), "substring") if length else None
        return text[first:] if count is None else text[first : first + max(count, 0)]

    return from_one(value)


def _replace(target: Code, arguments: tuple[Code, ...]) -> Code:
    one, pattern, substitution = target.one, arguments[0].one, arguments[1].one

    def value(this: Any, context: Context) -> str | None:
        text = _text(one(this, context), "replace")
        old, new = _text(pattern(this, context), "replace"), _text(substitution(this, context), "replace")
        if text is None or old is None or new is None:
            return None
        if text.count(old) * len(new) > regex.MAX_TEXT:
            raise NotEvaluable("replace() would give too long a text.")
        return bounded(text.replace(old, new))

    return from_one(value)


def _matching(name: str, search: bool) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one, fixed, other = target.one, arguments[0].constant, arguments[0].one
        known = regex.compiled(fixed) if type(fixed) is str else None

        def truth(this: Any, context: Context) -> bool | None:
            text = _text(one(this, context), name)
            if text is None:
                return None
            pattern = known
            if pattern is None:
                source = _text(other(this, context), name)
                if source is None:
                    return None
                pattern = regex.compiled(source)
            return pattern.found_in(text) if search else pattern.matches(text)

        return from_truth(truth)

    return build


def _replace_matches(target: Code, arguments: tuple[Code, ...]) -> Code:
    one, pattern, substitution = target.one, arguments[0].one, arguments[1].one

    def value(this: Any, context: Context) -> str | None:
        text = _text(one(this, context), "replaceMatches")
        source = _text(pattern(this, context), "replaceMatches")
        new = _text(substitution(this, context), "replaceMatches")
        if text is None or source is None or new is None:
            return None
        return text if source == "" else bounded(regex.compiled(source).replaced(text, new))

    return from_one(value)


def _pieces(name: str, work: Callable[[str, str | None], list[str]]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one, other = target.one, arguments[0].one if arguments else None

        def many(this: Any, context: Context) -> Items:
            text = _text(one(this, context), name)
            return NOTHING if text is None else work(text, _text(other(this, context), name) if other else None)

        return from_many(many)

    return build


def _split(text: str, separator: str | None) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(target: Code, arguments: tuple[Code, ...]) -> Code:
    many, separator = target.many, arguments[0].one if arguments else None

    def value(this: Any, context: Context) -> str:
        between = _text(separator(this, context), "join") if separator else None
        texts = [_text(content(item), "join") or "" for item in many(this, context)]
        return bounded((between or "").join(texts))

    return from_one(value)


def _encode(text: str, form: str) -> str | None:
    match form:
        case "hex":
            return text.encode().hex()
        case "base64":
            return base64.b64encode(text.encode()).decode()
        case "urlbase64":
            return base64.urlsafe_b64encode(text.encode()).decode()
    return None


def _decode(text: str, form: str) -> str | None:
    try:
        match form:
            case "hex":
                return bytes.fromhex(text).decode()
            case "base64":
                return base64.b64decode(text, validate=True).decode()
            case "urlbase64":
                return base64.urlsafe_b64decode(text).decode()
    except (ValueError, binascii.Error):
        return None
    return None


def _escape(text: str, form: str) -> str | None:
    match form:
        case "html":
            return html.escape(text)
        case "json":
            return json.dumps(text, ensure_ascii=False)[1:-1]
        case "url":
            return quote(text, safe="")
    return None


def _unescape(text: str, form: str) -> str | None:
    match form:
        case "html":
            return html.unescape(text)
        case "json":
            try:
                value = json.loads(f'"{text}"')
            except json.JSONDecodeError:
                return None
            return value if isinstance(value, str) else None
        case "url":
            return unquote(text)
    return None


FUNCTIONS: Final[Table] = {
    "indexOf": Function(_with_text("indexOf", lambda text, part: text.find(part)), 1, 1),
    "lastIndexOf": Function(_with_text("lastIndexOf", lambda text, part: text.rfind(part)), 1, 1),
    "substring": Function(_substring, 1, 2),
    "startsWith": Function(_with_text("startsWith", lambda text, part: text.startswith(part)), 1, 1),
    "endsWith": Function(_with_text("endsWith", lambda text, part: text.endswith(part)), 1, 1),
    "contains": Function(_with_text("contains", lambda text, part: part in text), 1, 1),
    "upper": Function(_on_text("upper", str.upper)),
    "lower": Function(_on_text("lower", str.lower)),
    "trim": Function(_on_text("trim", str.strip)),
    "length": Function(_on_text("length", len)),
    "replace": Function(_replace, 2, 2),
    "matches": Function(_matching("matches", search=True), 1, 2),
    "matchesFull": Function(_matching("matchesFull", search=False), 1, 2),
    "replaceMatches": Function(_replace_matches, 2, 3),
    "toChars": Function(_pieces("toChars", lambda text, _: list(text)), expands=True),
    "split": Function(_pieces("split", _split), 1, 1, expands=True),
    "join": Function(_join, 0, 1),
    "encode": Function(_with_text("encode", _encode), 1, 1),
    "decode": Function(_with_text("decode", _decode), 1, 1),
    "escape": Function(_with_text("escape", _escape), 1, 1),
    "unescape": Function(_with_text("unescape", _unescape), 1, 1),
}
