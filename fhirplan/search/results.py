"""Reads the parameters that say how the answer looks: page, order, total, what comes with it, what is left out.

R4 sections 3.1.1.5.1 to 3.1.1.5.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.fhir import structure
from fhirplan.search.context import Context, Limits, UnknownParameter, known_of
from fhirplan.search.definitions import LAST_UPDATED, RESULTS, SearchParameter
from fhirplan.search.literals import invalid, shown

Total = Literal["", "accurate", "estimate"]
Summary = Literal["", "true", "text", "data", "count"]

# May be given more than once.
REPEATED: Final = frozenset({"_include", "_revinclude"})
NAMES: Final = frozenset(RESULTS)
MOST_KEYS: Final = 5
_COUNT: Final = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One step of an order: the parameter's lowest value first, or, ``descending``, its highest; what has none last."""

    parameter: SearchParameter
    descending: bool = False

    @property
    def width(self) -> int:
        """How many values tell a resource's place: a time is ordered by its begin, and then by its end."""
        return 2 if self.parameter.type == "date" and self.parameter is not LAST_UPDATED else 1


@dataclass(frozen=True, slots=True)
class Include:
    """Resources to add to the matches: what their ``source`` type refers to by ``code``, or, ``reverse``, what refers.

    ``source`` and ``code`` may be ``*`` for all; ``target`` is the type referred to, "" for any. ``iterate`` adds as
    well what belongs to the added ones.
    """

    source: str
    code: str
    target: str = ""
    iterate: bool = False
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of each resource: all, or a summary, or some ``elements`` and what must not be left out."""

    summary: Summary = ""
    elements: tuple[str, ...] = ()


WHOLE: Final = Shown()


def count(given: Mapping[str, str], limits: Limits) -> int:
    """The resources of a page; more than the limit are cut to it."""
    text = given.get("_count")
    if text is None:
        return limits.default_count
    if not _COUNT.fullmatch(text):
        raise invalid("_count", f"_count must be a whole number from 0 up, not {shown(text)}.")
    return min(int(text), limits.max_count)


def total(given: Mapping[str, str]) -> Total:
    """Whether all matches are counted; an estimate is exact for few."""
    chosen = _choice(given, "_total", ("none", "accurate", "estimate"), "none")
    return "accurate" if chosen == "accurate" else "estimate" if chosen == "estimate" else ""


def shown_of(given: Mapping[str, str], types: Sequence[str]) -> Shown:
    """What is shown of each resource; raises InvalidSearch for an element that none of the types has."""
    chosen = _choice(given, "_summary", ("true", "text", "data", "count", "false"), "false")
    summary = _SUMMARIES.get(chosen, "")
    text = given.get("_elements")
    if text is None:
        return Shown(summary)
    if summary:
        raise invalid("_elements", f"_elements and _summary={summary} cannot be had at once. Leave one of them out.")
    elements = tuple(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    known = {name for type_ in types for name in _element_names(type_)}
    wrong = [item for item in elements if item not in known]
    if wrong or not elements:
        what = shown(wrong[0]) if wrong else "nothing"
        raise invalid(
            "_elements",
            f"_elements names {what}, which is no element of {', '.join(types)}. Elements are: "
            f"{', '.join(sorted(known))}.",
        )
    return Shown("", elements)


_SUMMARIES: Final[Mapping[str, Summary]] = {"true": "true", "text": "text", "data": "data", "count": "count"}


def _element_names(type: str) -> list[str]:
    definition = structure.definition(type)
    return [item.name for item in definition.children.get("", ())] if definition is not None else []


def contained(given: Mapping[str, str]) -> None:
    """Raises InvalidSearch unless contained resources are left alone, as they are here (R4 section 3.1.1.5.7)."""
    text = given.get("_contained", "false")
    if text != "false":
        raise invalid(
            "_contained",
            f"_contained={shown(text)} is not offered: contained resources are not found on their own, they come in "
            "the resource that contains them. Offered is false, which is what is meant without _contained.",
        )


def _choice(given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    text = given.get(name, default)
    if text not in allowed:
        raise invalid(name, f"{name}={shown(text)} is not offered. Offered are: {', '.join(allowed)}.")
    return text


def sort(text: str, known: Mapping[str, SearchParameter]) -> tuple[SortKey, ...]:
    """The order that ``_sort`` spells: parameters separated by commas, with a hyphen before those that descend."""
    keys = []
    for item in text.split(","):
        code = item.removeprefix("-")
        parameter = known.get(code)
        if parameter is None:
            raise invalid(
                "_sort",
                f"_sort={shown(item)} is not offered. Offered are, with or without a hyphen before them: "
                f"{', '.join(sorted(known))}.",
            )
        keys.append(SortKey(parameter, item.startswith("-")))
    if len({key.parameter.code for key in keys}) < len(keys) or len(keys) > MOST_KEYS:
        raise invalid("_sort", f"_sort takes up to {MOST_KEYS} parameters, each once.")
    return tuple(keys)


def order(given: Mapping[str, str], known: Mapping[str, SearchParameter], *, since: bool) -> tuple[SortKey, ...]:
    """The order of the pages; without ``_sort`` that of storing, or ``since`` a moment that of changing."""
    text = given.get("_sort")
    if text is not None:
        return sort(text, known)
    return (SortKey(LAST_UPDATED),) if since else ()


def include(context: Context, types: Sequence[str], name: str, text: str) -> Include:
    """What ``_include=Task:owner``, ``_revinclude:iterate=Provenance:target`` and the like add.

    Raises UnknownParameter where the type has no such reference, and InvalidSearch where it can add nothing.
    """
    word, _, modifier = name.partition(":")
    if modifier not in ("", "iterate"):
        raise UnknownParameter(f"{word}:{shown(modifier)} is not offered; {word} takes :iterate.", expression=word)
    iterate, reverse = modifier == "iterate", word == "_revinclude"
    if text == "*":
        return Include("*", "*", "", iterate, reverse)
    source, _, rest = text.partition(":")
    code, _, target = rest.partition(":")
    if not code:
        raise invalid(word, f"{word}={shown(text)} is not complete. Write Type:parameter, Type:parameter:Target or *.")
    known = known_of(context, source)
    if not known:
        raise UnknownParameter(f"{word} cannot begin at {shown(source)}: it is not served here.", expression=word)
    if code != "*" and (code not in known or known[code].type != "reference"):
        codes = [item.code for item in known.values() if item.type == "reference"]
        raise UnknownParameter(
            f"{word}={shown(text)}: {source} has no reference parameter {shown(code)}. It has: "
            f"{', '.join(sorted(codes)) or 'none'}.",
            expression=word,
        )
    made = Include(source, code, target, iterate, reverse)
    _check_reach(made, types, known, word, text)
    return made


def _check_reach(
    include: Include, types: Sequence[str], known: Mapping[str, SearchParameter], word: str, text: str
) -> None:
    targets = known[include.code].targets if include.code != "*" else ()
    if include.target and targets and include.target not in targets:
        raise invalid(word, f"{word}={shown(text)}: {include.code} cannot point to {shown(include.target)}.")
    if include.iterate:
        return
    if not include.reverse and include.source not in types:
        raise invalid(
            word,
            f"{word}={shown(text)} adds nothing to a search of {', '.join(types)}. Write {word}:iterate to add what "
            f"belongs to added resources.",
        )
    if include.reverse and targets and not set(targets) & set(types):
        raise invalid(word, f"{word}={shown(text)} adds nothing: {include.code} does not point to {', '.join(types)}.")
