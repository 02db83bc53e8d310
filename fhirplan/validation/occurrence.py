"""The closures that a compiled profile is made of: how often an element occurs, and what each occurrence is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhirplan.fhir import structure
from fhirplan.validation import element_rules
from fhirplan.validation.discriminators import Content, Item
from fhirplan.validation.findings import Check, Findings, Place
from fhirplan.validation.invariants import Rule
from fhirplan.validation.tree import Node

Presence = Callable[[dict[str, Any], Place, Findings], None]
"""Checks one element of its owner: how often it occurs, and each occurrence."""
Sliced = Callable[[list[Item], Place, Findings], None]
"""Checks the items of a sliced element against its slices."""


def occurrences(
    node: Node,
    above: Node | None,
    url: str,
    bounds: tuple[int, int],
    contents: Mapping[str, Sequence[Content]],
    refusal: Content | None,
    sliced: Sliced | None,
) -> Presence:
    """The check of an element that occurs between ``bounds`` times (-1: without end), each by its type's contents."""
    least, most = bounds
    name, choice = node.stem, node.name.endswith("[x]")
    items_of = _choice_items(name, _choice_names(node, above)) if choice else _items(name)
    under = "_" + name

    def present(owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if not choice:
            value = owner.get(name)
            if value is None:
                if least and under not in owner:
                    element_rules.missing(name, least, place, findings, url)
                elif sliced is not None and under not in owner:
                    sliced([], (place, name, -1), findings)
                return
        items = items_of(owner, place)
        count = len(items)
        if count < least and not (count == 0 and _only_extended(owner, name, choice)):
            element_rules.missing(name, least, place, findings, url, count)
        elif 0 <= most < count:
            element_rules.too_many(name, count, most, place, findings, url)
        if refusal is not None:
            for item in items:
                refusal(item, findings)
        if contents:
            for item in items:
                for check in contents.get(item[2], ()):
                    check(item, findings)
        if sliced is not None:
            sliced(items, (place, name, -1), findings)

    return present


def recommended(node: Node) -> bool:
    """Whether R4 only recommends the codes of an element, so that a profile may say which are meant."""
    definition = structure.definition(node.origin[0]) if node.origin[0] else None
    plain = definition.by_path.get(node.origin[1]) if definition is not None else None
    return plain is not None and plain.binding is not None and plain.binding.strength != "required"


def governed(item: Item, findings: Findings) -> None:
    """Notes that a profile says which codes are meant here."""
    findings.governed.append(item[1])


def runner(contents: list[Content]) -> Check:
    """The check of a whole resource or datatype, made of its contents."""

    def check(value: Any, place: Place, findings: Findings) -> None:
        item = (value, place, "")
        for one in contents:
            one(item, findings)

    return check


def members(inner: list[Presence]) -> Content:
    """The check of the elements inside a value."""

    def check(item: Item, findings: Findings) -> None:
        value, place, _ = item
        if type(value) is dict:
            for one in inner:
                one(value, place, findings)

    return check


def valued(bound: Check) -> Content:
    """A check of a value and its place as a content."""

    def check(item: Item, findings: Findings) -> None:
        bound(item[0], item[1], findings)

    return check


def deferred(rules: list[Rule], url: str) -> Content:
    """Leaves invariants for the second phase."""

    def check(item: Item, findings: Findings) -> None:
        findings.scope.later.append((rules, item[0], item[1], url))

    return check


def _items(name: str) -> Callable[[dict[str, Any], Place], list[Item]]:
    """The values of an element that has one type, with their places."""

    def items(owner: dict[str, Any], place: Place) -> list[Item]:
        value = owner.get(name)
        if type(value) is list:
            return [(one, (place, name, index), "") for index, one in enumerate(value) if one is not None]
        return [] if value is None else [(value, (place, name, -1), "")]

    return items


def _choice_items(name: str, types: dict[str, str]) -> Callable[[dict[str, Any], Place], list[Item]]:
    """The value of a choice of types, whose JSON name tells which of them it has."""
    return lambda owner, place: [(owner[key], (place, name, -1), types[key]) for key in owner if key in types]


def _choice_names(node: Node, above: Node | None) -> dict[str, str]:
    codes = [str(one.get("code", "")) for one in (above.types if above is not None else [])]
    codes += [str(one.get("code", "")) for one in node.types]
    return {node.stem + code[:1].upper() + code[1:]: code for code in codes if code}


def _only_extended(owner: dict[str, Any], name: str, choice: bool) -> bool:
    """Whether a primitive has extensions only, which counts as present."""
    if not choice:
        return "_" + name in owner
    return any(key.startswith("_" + name) for key in owner)
