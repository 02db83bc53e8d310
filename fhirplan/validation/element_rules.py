"""The rules that a profile adds to one element: how often, which values, which types, which invariants."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhirplan.fhir import structure
from fhirplan.validation import matching
from fhirplan.validation.discriminators import Content, Item
from fhirplan.validation.findings import Findings, Place, shown
from fhirplan.validation.invariants import REPORTED_AT, Rule
from fhirplan.validation.natives import KEYS
from fhirplan.validation.references import resolve
from fhirplan.validation.tree import Node


def fixed(element: dict[str, Any], said: dict[str, Any], node: Node, type_: str, url: str) -> list[Content]:
    """The checks of a fixed value and a pattern."""
    made: list[Content] = []
    for find, compare in ((matching.fixed_value, matching.equals), (matching.pattern_value, None)):
        found = find(element)
        if found is None or find(said) == found:
            continue
        key, wanted = found
        if type_ and not key.endswith(type_[:1].upper() + type_[1:]):
            continue
        made.append(_compare(wanted, compare or _holds(wanted), compare is not None, url))
    return made


def _holds(wanted: Any) -> Callable[[Any, Any], bool]:
    test = matching.pattern_test(wanted)
    return lambda value, _: test(value)


def _compare(wanted: Any, same: Callable[[Any, Any], bool], exact: bool, url: str) -> Content:
    words = matching.spelled(wanted)

    def check(item: Item, findings: Findings) -> None:
        if not same(item[0], wanted):
            what = "must be exactly" if exact else "must have"
            findings.error("value", f"This {what} {words}; found {_found(item[0])}.", item[1], "cm-fixed", url)

    return check


def _found(value: Any) -> str:
    return matching.spelled(value)[:200] if isinstance(value, dict | list) and value else shown(value)


def limits(element: dict[str, Any], said: dict[str, Any], url: str) -> list[Content]:
    """The checks of length and of lowest and highest value."""
    made: list[Content] = []
    longest = element.get("maxLength")
    if isinstance(longest, int) and longest != said.get("maxLength"):
        made.append(_length(longest, url))
    for key, value in element.items():
        if key.startswith("minValue") and key not in said:
            made.append(_bound(value, 1, url))
        elif key.startswith("maxValue") and key not in said:
            made.append(_bound(value, -1, url))
    return made


def _length(longest: int, url: str) -> Content:
    def check(item: Item, findings: Findings) -> None:
        if isinstance(item[0], str) and len(item[0]) > longest:
            text = f"The text has {len(item[0])} characters; at most {longest} allowed. Shorten it."
            findings.error("too-long", text, item[1], "cm-value", url)

    return check


def _bound(limit: Any, sign: int, url: str) -> Content:
    def check(item: Item, findings: Findings) -> None:
        value, other = item[0], limit
        if isinstance(value, dict) and isinstance(limit, dict):
            if value.get("code") != limit.get("code") or value.get("system") != limit.get("system"):
                return
            value, other = value.get("value"), limit.get("value")
        if not _comparable(value, other):
            return
        if (value < other) if sign > 0 else (value > other):
            words = "at least" if sign > 0 else "at most"
            findings.error("value", f"{shown(value)} is out of bounds; {words} {other}.", item[1], "cm-value", url)

    return check


def _comparable(one: Any, other: Any) -> bool:
    number = (int, Decimal)
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, number) and isinstance(other, number):
        return True
    return isinstance(one, str) and isinstance(other, str) and len(one) == len(other)


def invariants(element: dict[str, Any], said: dict[str, Any], code: str, url: str) -> list[Rule]:
    """The invariants that are not checked already by the type or the element above."""
    known = {one.get("key") for one in said.get("constraint", ()) if isinstance(one, dict)} | _of_type(code)
    made = []
    for one in element.get("constraint") or ():
        if not isinstance(one, dict) or one.get("key") in known or one.get("key") in KEYS:
            continue
        expression = one.get("expression")
        if not isinstance(expression, str) or not expression:
            continue
        rule = structure.Constraint(
            str(one.get("key")), str(one.get("severity")), str(one.get("human", "")), expression
        )
        primitive = code if structure.kind(code) == "primitive-type" else ""
        made.append(Rule(rule, str(one.get("source") or url), primitive, _reported(one)))
    return made


def _of_type(code: str) -> set[Any]:
    keys: set[Any] = set()
    definition = structure.definition(code) if code else None
    while definition is not None:
        keys |= {one.key for one in definition.elements[0].constraints}
        definition = structure.definition(definition.base) if definition.base else None
    return keys


def _reported(constraint: dict[str, Any]) -> str:
    for one in constraint.get("extension") or ():
        if isinstance(one, dict) and one.get("url") == REPORTED_AT:
            return str(one.get("valueString", ""))
    return ""


def largest(binding: dict[str, Any]) -> str:
    """The maxValueSet of a binding, "" where it has none."""
    for one in binding.get("extension") or ():
        if isinstance(one, dict) and str(one.get("url", "")).endswith("/elementdefinition-maxValueSet"):
            return str(one.get("valueCanonical", one.get("valueUri", "")))
    return ""


def same_binding(one: dict[str, Any], other: Any) -> bool:
    """Whether two bindings ask for the same."""
    return (
        isinstance(other, dict)
        and one.get("strength") == other.get("strength")
        and str(one.get("valueSet", "")).partition("|")[0] == str(other.get("valueSet", "")).partition("|")[0]
    )


def choice_types(allowed: frozenset[str], url: str) -> Content:
    """The check that a choice has one of the types left to it."""

    def check(item: Item, findings: Findings) -> None:
        if item[2] not in allowed:
            findings.error(
                "structure",
                f"The type {item[2]} is not allowed here. Allowed: {', '.join(sorted(allowed))}.",
                item[1],
                "cm-type",
                url,
            )

    return check


def resource_types(allowed: frozenset[str], url: str) -> Content:
    """The check that a resource inside is of one of the types left."""

    def check(item: Item, findings: Findings) -> None:
        name = item[0].get("resourceType") if type(item[0]) is dict else None
        if isinstance(name, str) and not any(structure.is_a(name, one) for one in allowed):
            findings.error(
                "structure",
                f"A {name[:64]} is not allowed here. Allowed: {', '.join(sorted(allowed))}.",
                item[1],
                "cm-type",
                url,
            )

    return check


def bounds(node: Node, above: Node | None) -> tuple[int, int]:
    """The lowest and highest count where they are stricter than what is checked already; 0 and -1 where not."""
    least, most = whole(node.element.get("min")), str(node.element.get("max", "*"))
    if above is not None and least <= whole(above.element.get("min")):
        least = 0
    if not most.isdigit() or (above is not None and most == str(above.element.get("max", "*"))):
        return least, -1
    return least, int(most)


def whole(value: Any) -> int:
    """A count as an element definition has it, 0 where it has none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def missing(name: str, least: int, place: Place, findings: Findings, url: str, count: int = 0) -> None:
    """Says that a profile asks for an element that is not there."""
    text = (
        f"{name} is missing. The profile asks for it; add it."
        if least == 1
        else f"{name} occurs {_times(count)}; at least {least} are needed. Add what is missing."
    )
    findings.error("required", text, (place, name, -1), "cm-card", url)


def too_many(name: str, count: int, most: int, place: Place, findings: Findings, url: str) -> None:
    """Says that an element occurs more often than a profile allows."""
    text = (
        f"{name} is not allowed by the profile. Remove it."
        if most == 0
        else f"{name} occurs {_times(count)}; at most {most} allowed. Remove what is too many."
    )
    findings.error("structure", text, (place, name, -1), "cm-card", url)


def aggregated(allowed: frozenset[str], url: str) -> Content:
    """The check of how a reference gets to its target: contained, in the same Bundle, or elsewhere."""

    def check(item: Item, findings: Findings) -> None:
        text = item[0].get("reference") if type(item[0]) is dict else None
        if type(text) is not str:
            return
        if text.startswith("#"):
            kinds = {"contained"}
        elif resolve(text, findings.scope) is not None:
            kinds = {"bundled", "referenced"}
        else:
            kinds = {"referenced"}
        if not kinds & allowed:
            words = f"The target of this reference must be {' or '.join(sorted(allowed))}."
            findings.error("structure", words, item[1], "cm-ref", url)

    return check


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
