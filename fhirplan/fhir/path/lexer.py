"""Cuts a FHIRPath expression into tokens (FHIRPath N1 section 8, lexical elements)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.fhir.path.failures import NotEvaluable

Kind = Literal["name", "quoted", "string", "number", "temporal", "external", "this", "symbol", "end"]

MAX_LENGTH: Final = 16_384

_DATE: Final = r"\d{4}(?:-\d{2}(?:-\d{2})?)?"
_CLOCK: Final = r"\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_TOKEN: Final = re.compile(
    rf"""
    (?P<blank>(?:\s|//[^\n]*|/\*.*?\*/)+)
  | (?P<temporal>@(?:T{_CLOCK}|{_DATE}(?:T(?:{_CLOCK}(?:Z|[+-]\d{{2}}:\d{{2}})?)?)?))
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<quoted>`(?:[^`\\]|\\.)*`)
  | (?P<external>%(?:[A-Za-z_][A-Za-z0-9_-]*|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`))
  | (?P<this>\$[A-Za-z]+)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol><=|>=|!=|!~|[.,()\[\]{{}}|+\-*/&=~<>])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES: Final = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``text`` has quotes removed and escapes read, ``at`` is its offset in the expression."""

    kind: Kind
    text: str
    at: int


def tokens(expression: str) -> list[Token]:
    """All tokens of an expression, the last of kind ``end``; raises NotEvaluable at a character that starts none."""
    if len(expression) > MAX_LENGTH:
        raise NotEvaluable(f"The expression is {len(expression)} characters long; at most {MAX_LENGTH} are read.")
    made: list[Token] = []
    position = 0
    while position < len(expression):
        found = _TOKEN.match(expression, position)
        if not found or found.lastgroup is None:
            raise NotEvaluable(f"The expression cannot be read at character {position + 1}: {expression[position]!r}.")
        if found.lastgroup != "blank":
            made.append(_token(found.lastgroup, found.group(), position))
        position = found.end()
    made.append(Token("end", "", position))
    return made


def _token(group: str, text: str, at: int) -> Token:
    match group:
        case "string":
            return Token("string", unescape(text[1:-1]), at)
        case "quoted":
            return Token("quoted", unescape(text[1:-1]), at)
        case "external":
            name = text[1:]
            return Token("external", unescape(name[1:-1]) if name[0] in "'`" else name, at)
        case "temporal":
            return Token("temporal", text[1:], at)
        case "number":
            return Token("number", text, at)
        case "this":
            return Token("this", text, at)
        case "name":
            return Token("name", text, at)
        case _:
            return Token("symbol", text, at)


def unescape(text: str) -> str:
    r"""A string literal's text with its escapes read.

    An escape the specification does not know keeps its backslash, so that ``matches('\d+')`` means what its author
    meant.
    """
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    code, plain = found.group(1), found.group(2)
    if code:
        return chr(int(code, 16))
    if plain in _ESCAPES:
        return _ESCAPES[plain]
    return plain if plain in "\\/'\"`" else "\\" + plain
