"""Follows the path of a discriminator: to the elements of a slice's tree, and to the values in an item.

R4 section 5.1.0.14.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from fhirplan.fhir import structure
from fhirplan.validation import bindings, matching
from fhirplan.validation.findings import Findings, Place
from fhirplan.validation.references import resolve
from fhirplan.validation.tree import BadProfile, Node

Item = tuple[Any, Place, str]
"""A value, its place, and the type its JSON name tells ("" where it tells none)."""
Content = Callable[[Item, Findings], None]
"""Says what is wrong with one value of an element."""
_STEP: Final = re.compile(r"\.?(?:(\$this)|(resolve|ofType|extension)\(([^)]*)\)|([A-Za-z]\w*)(?:\[x\])?)")


class Compiler(Protocol):
    """What slicing asks of the profile compiler."""

    terminology: bindings.Terminology

    def children_of(self, node: Node, type_: str = "") -> list[Node]:
        """The children of a node."""

    def tree(self, canonical: str) -> Node:
        """The tree of a profile; raises BadProfile."""

    def conforms(self, url: str, value: Any, place: Place, findings: Findings) -> bool | None:
        """Whether a value conforms to a profile; None where the profile is not here."""


def steps(path: str) -> list[tuple[str, str]] | None:
    """A discriminator's path as (kind, argument) steps: child, resolve, ofType, extension; None when it is no such."""
    made: list[tuple[str, str]] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return None
        position = found.end()
        if found[4]:
            made.append(("child", found[4]))
        elif found[2]:
            made.append((found[2], found[3].strip("'\" ")))
    return made


def nodes_at(node: Node, path: list[tuple[str, str]], compiler: Compiler) -> list[Node]:
    """The nodes of the slice's tree that a path leads to."""
    at = [node]
    for kind, argument in path:
        following: list[Node] = []
        for one in at:
            if kind == "child":
                for child in compiler.children_of(one):
                    if child.stem == argument:
                        following.extend(_imposed(one, child) or [child, *child.slices])
            elif kind == "extension":
                for child in compiler.children_of(one):
                    if child.name == "extension":
                        following.extend(s for s in child.slices if extension_url(s, compiler) == argument)
            elif kind == "resolve":
                following.extend(_targets(one, compiler))
            else:
                following.append(one)
        at = following
    return at


def _imposed(node: Node, child: Node) -> list[Node]:
    """A child with what its parent's fixed value or pattern says of it; empty when that says nothing."""
    found = matching.fixed_value(node.element) or matching.pattern_value(node.element)
    if found is None or not isinstance(found[1], dict) or child.name not in found[1]:
        return []
    value = found[1][child.name]
    made = []
    for one in value if isinstance(value, list) else [value]:
        imposed = child.copy()
        imposed.element["patternValue"] = one
        made.append(imposed)
    return made


def _targets(node: Node, compiler: Compiler) -> list[Node]:
    made = []
    for type_ in node.types:
        for target in type_.get("targetProfile") or ():
            try:
                made.append(compiler.tree(target))
            except BadProfile:
                continue
    return made


def extension_url(slice_: Node, compiler: Compiler) -> str:
    """The url that the members of an extension slice have, "" when the slice does not say."""
    for child in slice_.children or ():
        if child.name == "url":
            found = matching.fixed_value(child.element)
            if found is not None:
                return str(found[1])
    for type_ in slice_.types:
        for profile in type_.get("profile") or ():
            return str(profile).partition("|")[0]
    return ""


def reach_of(path: list[tuple[str, str]]) -> Callable[[Item, Findings], list[Item]]:
    """The values a path leads to from an item."""
    if not path:
        return lambda item, findings: [item]

    def reach(item: Item, findings: Findings) -> list[Item]:
        at = [item]
        for kind, argument in path:
            following: list[Item] = []
            for value, place, type_ in at:
                if type(value) is Unknown:
                    following.append((value, place, type_))  # what is inside it is not known either
                elif kind == "child":
                    following.extend(children(value, argument, place))
                elif kind == "extension":
                    following.extend(
                        one
                        for one in children(value, "extension", place)
                        if type(one[0]) is dict and one[0].get("url") == argument
                    )
                elif kind == "resolve":
                    text = value.get("reference") if type(value) is dict else value
                    target = resolve(text, findings.scope) if type(text) is str else None
                    if target is not None:
                        following.append((target, place, str(target.get("resourceType", ""))))
                    else:
                        following.append((Unknown(text, value), place, ""))
                elif type_ in ("", argument):
                    following.append((value, place, type_))
            at = following
        return at

    return reach


class Unknown:
    """The target of a reference that is not here; its type may be told by the url."""

    def __init__(self, text: Any, reference: Any) -> None:
        parts = text.split("/") if isinstance(text, str) else []
        known = [one for one in parts if one in structure.resource_types()]
        stated = reference.get("type") if isinstance(reference, dict) else None
        self.type = known[-1] if known else (stated if isinstance(stated, str) else "")


def children(value: Any, name: str, place: Place) -> list[Item]:
    """The children of a value by FHIRPath name; a choice's type comes with it."""
    if type(value) is not dict:
        return []
    found = value.get(name)
    if found is not None:
        if type(found) is list:
            return [(one, (place, name, index), "") for index, one in enumerate(found)]
        return [(found, (place, name, -1), "")]
    size = len(name)
    for key, item in value.items():
        if key.startswith(name) and key[size : size + 1].isupper():
            code = key[size:]
            low = code[0].lower() + code[1:]
            type_ = low if structure.kind(low) == "primitive-type" else code
            if structure.kind(type_):
                return [(item, (place, name, -1), type_)]
    return []
