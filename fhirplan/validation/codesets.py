"""Sets of codes of which some may be unknown: union, intersection and difference with three answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from fhirplan.validation.codesystems import MAX_CONCEPTS

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A value set or a part of one.

    ``pairs`` are the (system, code) known to be in it, None when there are too many to list or some are not known;
    ``holds`` answers for one pair and is the truth where ``pairs`` is None.
    """

    pairs: frozenset[Pair] | None
    holds: Callable[[str, str], bool | None]
    systems: frozenset[str] | None = None  # the only systems its codes are of, None when that is not known


def listed(pairs: Iterable[Pair]) -> CodeSet:
    """The set of exactly these codes."""
    known = frozenset(pairs)
    return CodeSet(known, lambda system, code: (system, code) in known, frozenset(system for system, _ in known))


UNKNOWN: Final = CodeSet(None, lambda system, code: None)
"""A set of which nothing can be told."""


def union(parts: list[CodeSet]) -> CodeSet:
    """The codes that are in any of the parts; none of no parts."""
    if len(parts) == 1:
        return parts[0]
    known = [part.pairs for part in parts if part.pairs is not None]
    systems = _all_systems(parts)
    if len(known) == len(parts) and sum(map(len, known)) <= MAX_CONCEPTS:
        return listed(pair for pairs in known for pair in pairs)
    return CodeSet(None, lambda system, code: _any(part.holds(system, code) for part in parts), systems)


def _all_systems(parts: list[CodeSet]) -> frozenset[str] | None:
    systems: set[str] = set()
    for part in parts:
        if part.systems is None:
            return None
        systems |= part.systems
    return frozenset(systems)


def intersection(parts: list[CodeSet]) -> CodeSet:
    """The codes that are in each of the parts, of which there is at least one."""
    if len(parts) == 1:
        return parts[0]
    known = next((part.pairs for part in parts if part.pairs is not None), None)
    systems = next((part.systems for part in parts if part.systems is not None), None)
    if known is not None:
        answers = [(pair, _all(part.holds(*pair) for part in parts)) for pair in known]
        if not any(answer is None for _, answer in answers):
            return listed(pair for pair, answer in answers if answer)
    return CodeSet(None, lambda system, code: _all(part.holds(system, code) for part in parts), systems)


def without(included: CodeSet, excluded: CodeSet) -> CodeSet:
    """The codes of one set that are not in the other."""

    def holds(system: str, code: str) -> bool | None:
        inside = included.holds(system, code)
        if inside is False:
            return False
        outside = excluded.holds(system, code)
        if outside:
            return False
        return inside if outside is False else None

    if included.pairs is not None:
        answers = [(pair, holds(*pair)) for pair in included.pairs]
        if not any(answer is None for _, answer in answers):
            return listed(pair for pair, answer in answers if answer)
    return CodeSet(None, holds, included.systems)


def _any(answers: Iterable[bool | None]) -> bool | None:
    doubt = False
    for answer in answers:
        if answer:
            return True
        doubt = doubt or answer is None
    return None if doubt else False


def _all(answers: Iterable[bool | None]) -> bool | None:
    doubt = False
    for answer in answers:
        if answer is False:
            return False
        doubt = doubt or answer is None
    return None if doubt else True
