"""Tells offline whether a code is in a value set (R4 section 4.9), and says so when it cannot be told.

Value sets are read from their ``compose`` as far as the code systems they name are here, else from the expansion they
carry. Codes of systems that are not here (SNOMED CT, LOINC, ICD-10-CM, RxNorm …) are looked at for their form only:
a code of good form is neither in nor out, it is *not verified*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.validation import codesystems
from fhirplan.validation.code_forms import (
    GRAMMARS,
    LANGUAGE,
    form_problem,
    is_code_of,
    is_known,
    language_part,
)
from fhirplan.validation.codesets import UNKNOWN, CodeSet, Pair, intersection, listed, union, without
from fhirplan.validation.codesystems import MAX_CONCEPTS, Concepts

__all__ = ["Terminology", "form_problem"]

Lookup = Callable[[str], "dict[str, Any] | None"]

MAX_NESTING: Final = 40
_INCOMPLETE: Final = ("valueset-toocostly", "valueset-unclosed")


class Terminology:
    """Answers about value sets, each worked out once.

    ``lookup`` gives the ValueSet or CodeSystem resource of a canonical, which may end in ``|version``, or None.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._sets: dict[str, CodeSet] = {}
        self._codes: dict[str, frozenset[str] | None] = {}
        self._systems: dict[str, Concepts | None] = {}
        self._problems: dict[str, str] = {}

    def contains(self, valueset: str, system: str | None, code: str) -> bool | None:
        """Whether a code is in a value set; None when that cannot be told offline.

        ``system`` None asks for the code in any system (a ``code`` element has none of its own); "" is a Coding
        that names no system, which is in no value set.
        """
        if system is None:
            codes = self.codes(valueset)
            return code in codes if codes is not None else self._in_any(self._set(valueset, ()), code)
        found = self._set(valueset, ())
        if found.pairs is not None and (system, code) in found.pairs:
            return True
        return self._spelled(found, system, code)

    def expansion(self, valueset: str) -> frozenset[Pair] | None:
        """All (system, code) of a value set, None when they cannot be listed offline."""
        return self._set(valueset, ()).pairs

    def codes(self, valueset: str) -> frozenset[str] | None:
        """All codes of a value set whatever their system, None when they cannot be listed offline."""
        if valueset not in self._codes:
            pairs = self.expansion(valueset)
            self._codes[valueset] = None if pairs is None else frozenset(code for _, code in pairs)
        return self._codes[valueset]

    def problem(self, valueset: str) -> str | None:
        """What is wrong with the value set itself, in plain words (it includes itself, it is missing), else None."""
        self._set(valueset, ())
        return self._problems.get(valueset)

    def form_problem(self, system: str, code: str) -> str | None:
        """Why a code cannot be one of a system whose codes' form is known, else None."""
        return form_problem(system, code)

    def _in_any(self, found: CodeSet, code: str) -> bool | None:
        if found.systems is None:
            return None
        answers = [found.holds(system, code) for system in found.systems]
        return True if True in answers else None if None in answers else False

    def _spelled(self, found: CodeSet, system: str, code: str) -> bool | None:
        answer = found.holds(system, code)
        if answer is False and (concepts := self._concepts(system, "")) and not concepts.case_sensitive:
            return found.holds(system, concepts.spelled(code))
        return answer

    def _set(self, valueset: str, within: tuple[str, ...]) -> CodeSet:
        known = self._sets.get(valueset)
        if known is not None:
            return known
        if valueset in within:
            raise _IncludesItself(" > ".join([*within[within.index(valueset) :], valueset]))
        if len(within) >= MAX_NESTING:
            raise _IncludesItself(f"more than {MAX_NESTING} value sets deep")
        try:
            made = self._read(valueset, (*within, valueset))
        except _IncludesItself as circle:
            if within:
                raise
            self._problems[valueset] = f"The value set includes itself ({circle}), so it has no members. Correct it."
            made = UNKNOWN
        self._sets[valueset] = made
        return made

    def _read(self, valueset: str, within: tuple[str, ...]) -> CodeSet:
        resource = self._found(valueset, "ValueSet")
        if resource is None:
            self._problems[valueset] = f"The value set {valueset} is not in any package that is loaded."
            return UNKNOWN
        composed = self._composed(resource, within)
        if composed is not None and composed.pairs is not None:
            return composed
        return _expanded(resource) or composed or UNKNOWN

    def _found(self, canonical: str, type_: str) -> dict[str, Any] | None:
        for name in (canonical, canonical.partition("|")[0]):
            resource = self._lookup(name)
            if resource is not None and resource.get("resourceType") == type_:
                return resource
        return None

    def _composed(self, resource: dict[str, Any], within: tuple[str, ...]) -> CodeSet | None:
        compose = resource.get("compose")
        if not isinstance(compose, dict):
            return None
        included = union([self._part(part, within) for part in _objects(compose.get("include"))])
        excluded = union([self._part(part, within) for part in _objects(compose.get("exclude"))])
        return included if excluded.pairs == frozenset() else without(included, excluded)

    def _part(self, part: dict[str, Any], within: tuple[str, ...]) -> CodeSet:
        """One include or exclude: its system's codes and all its value sets, intersected."""
        nested = [self._set(name, within) for name in part.get("valueSet") or () if isinstance(name, str)]
        if isinstance(part.get("system"), str):
            nested.insert(0, self._from_system(part, part["system"]))
        return intersection(nested) if nested else UNKNOWN

    def _from_system(self, part: dict[str, Any], system: str) -> CodeSet:
        if "concept" in part:
            named = (concept.get("code") for concept in _objects(part["concept"]))
            return listed((system, code) for code in named if isinstance(code, str))
        concepts = self._concepts(system, str(part.get("version") or ""))
        filters = [_filter(item) for item in _objects(part.get("filter"))]
        if concepts is None or not concepts.complete:
            return _partly(concepts, system, filters)
        codes = concepts.codes
        for name, operator, value in filters:
            through = codesystems.chosen(concepts, name, operator, value)
            if through is None:
                return CodeSet(None, _unless_malformed(system), frozenset({system}))
            codes &= through
        return listed((system, code) for code in codes)

    def _concepts(self, system: str, version: str) -> Concepts | None:
        name = f"{system}|{version}" if version else system
        if name not in self._systems:
            resource = self._found(name, "CodeSystem")
            self._systems[name] = codesystems.read(resource) if resource is not None else None
        return self._systems[name]


class _IncludesItself(Exception):
    pass


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _filter(item: dict[str, Any]) -> tuple[str, str, str]:
    return (str(item.get("property", "")), str(item.get("op", "")), str(item.get("value", "")))


def _unless_malformed(system: str) -> Callable[[str, str], bool | None]:
    def holds(other: str, code: str) -> bool | None:
        return False if other != system or form_problem(system, code) else None

    return holds


def _partly(concepts: Concepts | None, system: str, filters: list[tuple[str, str, str]]) -> CodeSet:
    """The codes of a system that is not, or not wholly, here."""
    known = concepts.codes if concepts is not None and not filters else frozenset()

    def holds(other: str, code: str) -> bool | None:
        if other != system:
            return False
        if code in known:
            return True
        if not filters:
            return is_code_of(system, code) if system in GRAMMARS else _open(system, code)
        if system == LANGUAGE and not form_problem(system, code):
            return _language_passes(filters, code)
        return _open(system, code)

    return CodeSet(None, holds, frozenset({system}))


def _open(system: str, code: str) -> bool | None:
    return False if is_known(system) and form_problem(system, code) else None


def _language_passes(filters: list[tuple[str, str, str]], code: str) -> bool | None:
    for name, operator, value in filters:
        if operator != "exists":
            return None
        if (language_part(code, name) is not None) != (value == "true"):
            return False
    return True


def _expanded(resource: dict[str, Any]) -> CodeSet | None:
    """The codes of the expansion that a value set carries; where it says that there are more, others are open."""
    expansion = resource.get("expansion")
    if not isinstance(expansion, dict) or not isinstance(expansion.get("contains"), list):
        return None
    pairs: set[Pair] = set()
    waiting = _objects(expansion["contains"])
    while waiting and len(pairs) < MAX_CONCEPTS:
        item = waiting.pop()
        system, code = item.get("system"), item.get("code")
        if isinstance(system, str) and isinstance(code, str) and item.get("abstract") is not True:
            pairs.add((system, code))
        waiting.extend(_objects(item.get("contains")))
    if not waiting and _is_whole(expansion, len(pairs)):
        return listed(pairs)
    known = frozenset(pairs)
    return CodeSet(None, lambda system, code: True if (system, code) in known else None)


def _is_whole(expansion: dict[str, Any], listed: int) -> bool:
    if any(str(item.get("url", "")).endswith(_INCOMPLETE) for item in _objects(expansion.get("extension"))):
        return False
    total, offset = expansion.get("total"), expansion.get("offset")
    return not (isinstance(total, int) and total > listed) and not offset
