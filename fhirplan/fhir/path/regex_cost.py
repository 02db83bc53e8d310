"""How a regular expression's time grows with the text: the degree of the polynomial, or a refusal.

Works on the parsed form of Python's own ``re``. Two things make a backtracking matcher slow: a repetition whose
body can itself be divided in several ways (exponential, refused), and repetitions after each other that can take
the same characters (one more degree each).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as sre  # type: ignore[attr-defined]
from typing import Any, Final

from fhirplan.fhir.path.failures import NotEvaluable

_MANY: Final = 64  # a repetition up to this often counts as bounded
_CHARACTERS: Final = frozenset(map(chr, range(128))) | {"\u0100"}  # one stands for all beyond ASCII
_CLASSES: Final = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_REPEATS: Final = (codes.MAX_REPEAT, codes.MIN_REPEAT)

Part = tuple[Any, Any]


def loops(source: str) -> int:
    """The degree of the polynomial that bounds the time a search with this pattern takes; 0 for linear.

    Raises NotEvaluable for a pattern whose time may grow exponentially, and ``re.error`` for none.
    """
    parts = list(sre.parse(source, re.DOTALL))
    _check_nesting(parts)
    repeats = [found for found in _repeats(parts) if found.unbounded]
    if not repeats:
        return 0
    overlapping = sum(
        any(one.characters & other.characters for other in repeats if other is not one) for one in repeats
    )
    anchored = bool(parts) and parts[0][0] is codes.AT
    return max(overlapping, 1) + (0 if anchored else 1)


@dataclass(frozen=True, slots=True)
class _Repeat:
    characters: frozenset[str]
    unbounded: bool


def _check_nesting(parts: Iterable[Part]) -> None:
    for code, argument in parts:
        if code in _REPEATS and argument[1] > 1:
            body = list(argument[2])
            if not _divides_one_way(body):
                raise NotEvaluable("A regular expression of the rule repeats a repetition; it may never end.")
        if code in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            raise NotEvaluable("A regular expression of the rule refers back to a group, which is not supported.")
        for inner in _inner(code, argument):
            _check_nesting(inner)


def _divides_one_way(body: list[Part]) -> bool:
    """Whether text can be cut into repetitions of ``body`` in one way only (sufficient, not necessary).

    So it is when nothing in the body varies in length, or when the body begins with a character that nothing of
    varying length in it can take.
    """
    body = _unwrapped(body)
    inner = list(_repeats(body))
    if any(not _distinct_branches(branches) for branches in _branches(body)):
        return False
    if not inner:
        return True
    starts = _first(body)
    return starts is not None and not any(starts & repeat.characters for repeat in inner)


def _unwrapped(parts: list[Part]) -> list[Part]:
    while len(parts) == 1 and parts[0][0] is codes.SUBPATTERN:
        parts = list(parts[0][1][3])
    return parts


def _first(body: list[Part]) -> frozenset[str] | None:
    """The characters a body must begin with, None when its beginning can be left out."""
    if not body:
        return None
    code, argument = body[0]
    if code is codes.SUBPATTERN:
        return _first(list(argument[3]))
    if code in _REPEATS:
        return _first(list(argument[2])) if argument[0] == argument[1] == 1 else None
    if code is codes.BRANCH:
        firsts = [_first(list(branch)) for branch in argument[1]]
        return None if None in firsts else frozenset().union(*(first for first in firsts if first))
    return None if code is codes.AT else _characters([body[0]])


def _branches(parts: Iterable[Part]) -> Iterable[list[list[Part]]]:
    for code, argument in parts:
        if code is codes.BRANCH:
            yield [list(branch) for branch in argument[1]]
        for inner in _inner(code, argument):
            yield from _branches(inner)


def _distinct_branches(branches: list[list[Part]]) -> bool:
    seen: frozenset[str] = frozenset()
    for branch in branches:
        first = _first(branch)
        if first is None or seen & first:
            return False
        seen |= first
    return True


def _repeats(parts: Iterable[Part]) -> Iterable[_Repeat]:
    for code, argument in parts:
        if code in _REPEATS and argument[0] != argument[1]:
            yield _Repeat(_characters(argument[2]), argument[1] > _MANY)
        for inner in _inner(code, argument):
            yield from _repeats(inner)


def _inner(code: Any, argument: Any) -> list[list[Part]]:
    if code in _REPEATS or code is codes.POSSESSIVE_REPEAT:
        return [list(argument[2])]
    if code is codes.SUBPATTERN:
        return [list(argument[3])]
    if code is codes.BRANCH:
        return [list(branch) for branch in argument[1]]
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return [list(argument[1])]
    return [list(argument)] if code is codes.ATOMIC_GROUP else []


def _characters(parts: Iterable[Part]) -> frozenset[str]:
    """All the characters that may occur in what the parts match."""
    made: frozenset[str] = frozenset()
    for code, argument in parts:
        if code is codes.LITERAL:
            made |= _near(chr(argument))
        elif code is codes.NOT_LITERAL:
            made |= _CHARACTERS - {chr(argument)}
        elif code is codes.ANY:
            made |= _CHARACTERS
        elif code is codes.IN:
            made |= _set(argument)
        for inner in _inner(code, argument):
            made |= _characters(inner)
    return made


def _near(character: str) -> frozenset[str]:
    return frozenset({character if character < "\x80" else "\u0100"})


def _set(argument: list[Part]) -> frozenset[str]:
    made: frozenset[str] = frozenset()
    for code, value in argument:
        if code is codes.LITERAL:
            made |= _near(chr(value))
        elif code is codes.RANGE:
            low, high = value
            made |= {chr(number) for number in range(low, min(high, 127) + 1)} | ({"\u0100"} if high > 127 else set())
        elif code is codes.CATEGORY:
            pattern = re.compile(_CLASSES[value])
            made |= {character for character in _CHARACTERS if pattern.match(character)}
    return _CHARACTERS - made if argument and argument[0][0] is codes.NEGATE else made
