"""A code system that is here: its codes, their hierarchy and properties, and the filters of value sets over them.

R4 section 4.8 (CodeSystem) and 4.9.9 (ValueSet.compose filters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.path import NotEvaluable, regex

MAX_CONCEPTS: Final = 500_000


@dataclass(frozen=True, slots=True)
class Concepts:
    """The concepts of one code system.

    ``complete`` is false where codes may exist that are not here. ``parents`` leads from a code to the codes above
    it; ``properties`` and ``displays`` hold what a concept says of itself.
    """

    url: str
    complete: bool
    case_sensitive: bool
    codes: frozenset[str]
    parents: dict[str, set[str]] = field(default_factory=dict)
    properties: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    displays: dict[str, str] = field(default_factory=dict)

    def spelled(self, code: str) -> str:
        """The code as the system spells it: only the case is put right, and only where the system ignores case."""
        if self.case_sensitive or code in self.codes:
            return code
        folded = code.casefold()
        return next((known for known in self.codes if known.casefold() == folded), code)

    def above(self, code: str) -> frozenset[str]:
        """All codes above a code in the hierarchy; a circle in it does no harm."""
        found: set[str] = set()
        waiting = list(self.parents.get(code, ()))
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting.extend(self.parents.get(parent, ()))
        return frozenset(found)

    def under(self, root: str) -> frozenset[str]:
        """All codes below a code in the hierarchy."""
        below: dict[str, list[str]] = {}
        for code, parents in self.parents.items():
            for parent in parents:
                below.setdefault(parent, []).append(code)
        found: set[str] = set()
        waiting = list(below.get(root, ()))
        while waiting:
            child = waiting.pop()
            if child not in found:
                found.add(child)
                waiting.extend(below.get(child, ()))
        return frozenset(found)


def read(resource: dict[str, Any]) -> Concepts:
    """The concepts of a CodeSystem resource; more than MAX_CONCEPTS make it incomplete, never slow."""
    codes: dict[str, None] = {}
    made = Concepts(
        url=str(resource.get("url", "")),
        complete=resource.get("content") == "complete",
        case_sensitive=resource.get("caseSensitive") is not False,
        codes=frozenset(),
    )
    waiting: list[tuple[Any, str]] = [(concept, "") for concept in _objects(resource.get("concept"))]
    while waiting and len(codes) < MAX_CONCEPTS:
        concept, parent = waiting.pop()
        code = concept.get("code")
        if not isinstance(code, str):
            continue
        codes[code] = None
        if parent:
            made.parents.setdefault(code, set()).add(parent)
        _describe(made, code, concept)
        waiting.extend((inner, code) for inner in _objects(concept.get("concept")))
    return Concepts(
        made.url,
        made.complete and not waiting,
        made.case_sensitive,
        frozenset(codes),
        made.parents,
        made.properties,
        made.displays,
    )


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _describe(made: Concepts, code: str, concept: dict[str, Any]) -> None:
    if isinstance(concept.get("display"), str):
        made.displays[code] = concept["display"]
    for property_ in _objects(concept.get("property")):
        name, value = property_.get("code"), _value(property_)
        if not isinstance(name, str) or value is None:
            continue
        made.properties.setdefault(code, []).append((name, value))
        if name in ("parent", "subsumedBy"):
            made.parents.setdefault(code, set()).add(value)
        elif name == "child":
            made.parents.setdefault(value, set()).add(code)


def _value(property_: dict[str, Any]) -> str | None:
    for key, value in property_.items():
        if key.startswith("value"):
            if isinstance(value, dict):
                return str(value.get("code"))
            if isinstance(value, bool):
                return "true" if value else "false"
            return str(value) if isinstance(value, str | int | Decimal) else None
    return None


def chosen(concepts: Concepts, name: str, operator: str, value: str) -> frozenset[str] | None:
    """The codes a filter of a value set lets through; None for a filter that is not understood."""
    hierarchy = _in_hierarchy(concepts, operator, value) if name in ("concept", "code") else None
    if hierarchy is not None:
        return hierarchy
    test = _test(operator, value)
    if test is None:
        return None
    if name in ("concept", "code"):
        return frozenset(code for code in concepts.codes if test([code]))
    if name == "display":
        return frozenset(code for code in concepts.codes if test(_listed(concepts.displays.get(code))))
    return frozenset(code for code in concepts.codes if test(_values(concepts, code, name)))


def _listed(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _values(concepts: Concepts, code: str, name: str) -> list[str]:
    if name == "parent":
        return sorted(concepts.parents.get(code, ()))
    if name == "child":
        return sorted(other for other, parents in concepts.parents.items() if code in parents)
    return [value for known, value in concepts.properties.get(code, ()) if known == name]


def _in_hierarchy(concepts: Concepts, operator: str, value: str) -> frozenset[str] | None:
    match operator:
        case "is-a":
            return (concepts.under(value) | {value}) & concepts.codes
        case "descendent-of":
            return concepts.under(value) & concepts.codes
        case "is-not-a":
            return concepts.codes - concepts.under(value) - {value}
        case "generalizes":
            return (concepts.above(value) | {value}) & concepts.codes
    return None


def _test(operator: str, value: str) -> Callable[[list[str]], bool] | None:
    wanted = frozenset(part.strip() for part in value.split(","))
    match operator:
        case "=":
            return lambda values: value in values
        case "in":
            return lambda values: any(found in wanted for found in values)
        case "not-in":
            return lambda values: not any(found in wanted for found in values)
        case "exists":
            return lambda values: bool(values) == (value == "true")
        case "regex":
            try:
                pattern = regex.compiled(value)
            except NotEvaluable:
                return None
            return lambda values: any(len(found) <= pattern.longest and pattern.matches(found) for found in values)
    return None
