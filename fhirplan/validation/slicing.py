"""Turns the discriminators of a slice into a test for one item (R4 section 5.1.0.14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from fhirplan.fhir import structure
from fhirplan.validation import bindings, matching
from fhirplan.validation.findings import Findings, Place
from fhirplan.validation.references import resolve
from fhirplan.validation.snapshot import BadProfile, Node

Item = tuple[Any, Place, str]
"""A value, its place, and the type its JSON name tells ("" where it tells none)."""
Test = Callable[[Item, Findings], bool | None]
"""Whether an item belongs to a slice; None where that cannot be told."""
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


def test_of(slice_: Node, discriminators: list[dict[str, Any]], compiler: Compiler) -> Test | None:
    """The test whether an item belongs to a slice; None where the discriminators cannot be used."""
    made: list[Test] = []
    certain: list[Test] = []
    for one in discriminators:
        path = steps(str(one.get("path", "")))
        if path is None:
            return None
        found = _test(slice_, str(one.get("type", "")), path, compiler)
        if found is None:
            return None
        made.append(found)
        if one.get("type") != "profile":
            certain.append(found)
    if len(made) == 1:
        return made[0]
    if certain and len(certain) < len(made):
        # A target that is not here is taken to have the profile where all else says that the item is of the slice.
        return _together(made, certain)
    return _together(made, made)


def _together(made: list[Test], certain: list[Test]) -> Test | None:
    """Whether all tests hold; those that are not among the certain ones only where they can be told."""

    def every(item: Item, findings: Findings) -> bool | None:
        answer: bool | None = True
        for test in made:
            held = test(item, findings)
            if held is False:
                return False
            if held is None and test in certain:
                answer = None
        return answer

    return every if made else None


def _test(slice_: Node, kind: str, path: list[tuple[str, str]], compiler: Compiler) -> Test | None:
    nodes = _nodes(slice_, path, compiler)
    reach = _reach(path)
    if kind in ("value", "pattern"):
        wanted = _wanted(nodes, compiler)
        return _any(reach, wanted) if wanted is not None else None
    if kind == "exists":
        return _exists(nodes, reach)
    if kind == "type":
        return _of_type(nodes, reach)
    if kind == "profile":
        before = _nodes(slice_, path[:-1], compiler) if path and path[-1][0] == "resolve" else nodes
        return _of_profile(before, reach, compiler)
    return None


def _nodes(node: Node, path: list[tuple[str, str]], compiler: Compiler) -> list[Node]:
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
                        following.extend(s for s in child.slices if _extension_url(s, compiler) == argument)
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


def _extension_url(slice_: Node, compiler: Compiler) -> str:
    """The url of the extension a slice is for."""
    for child in slice_.children or ():
        if child.name == "url":
            found = matching.fixed_value(child.element)
            if found is not None:
                return str(found[1])
    for type_ in slice_.types:
        for profile in type_.get("profile") or ():
            return str(profile).partition("|")[0]
    return ""


def extension_url(slice_: Node, compiler: Compiler) -> str:
    """The url that the members of an extension slice have, "" when the slice does not say."""
    return _extension_url(slice_, compiler)


def _reach(path: list[tuple[str, str]]) -> Callable[[Item, Findings], list[Item]]:
    """The values a path leads to from an item."""
    if not path:
        return lambda item, findings: [item]

    def reach(item: Item, findings: Findings) -> list[Item]:
        at = [item]
        for kind, argument in path:
            following: list[Item] = []
            for value, place, type_ in at:
                if type(value) is _Unknown:
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
                        following.append((_Unknown(text, value), place, ""))
                elif type_ in ("", argument):
                    following.append((value, place, type_))
            at = following
        return at

    return reach


class _Unknown:
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


def _wanted(nodes: list[Node], compiler: Compiler) -> Callable[[Any], bool | None] | None:
    """What a value at the discriminator must be: fixed, a pattern, in a value set, or what its parts must be."""
    made = [test for node in nodes if (test := wanted_of(node, compiler, 0)) is not None]
    if not made:
        return None
    return made[0] if len(made) == 1 else _either(made)


def _either(tests: list[Callable[[Any], bool | None]]) -> Callable[[Any], bool | None]:
    def test(value: Any) -> bool | None:
        answers = [one(value) for one in tests]
        return True if True in answers else None if None in answers else False

    return test


def wanted_of(node: Node, compiler: Compiler, depth: int) -> Callable[[Any], bool | None] | None:
    """The test of one node's value; None where the node says nothing that tells values apart."""
    fixed = matching.fixed_value(node.element)
    if fixed is not None:
        wanted = fixed[1]
        return lambda value: matching.equals(value, wanted)
    pattern = matching.pattern_value(node.element)
    if pattern is not None:
        return matching.pattern_test(pattern[1])
    parts = _parts(node, compiler, depth)
    if parts:
        return lambda value: _all_parts(parts, value)
    binding = node.element.get("binding")
    if isinstance(binding, dict) and binding.get("strength") == "required" and binding.get("valueSet"):
        url = str(binding["valueSet"]).partition("|")[0]
        terminology = compiler.terminology
        return lambda value: bindings.concept_held(terminology, url, value)
    return None


Part = tuple[str, Callable[[Any], bool | None]]


def _parts(node: Node, compiler: Compiler, depth: int) -> list[Part]:
    if depth > 4 or node.children is None:
        return []
    made: list[Part] = []
    for child in node.children:
        if child.name in ("id", "extension", "modifierExtension"):
            continue
        for one in [child, *(s for s in child.slices if int(s.element.get("min", 0) or 0))]:
            test = wanted_of(one, compiler, depth + 1) if _distinctive(one) else None
            if test is not None:
                made.append((one.stem, test))
    return made


def _distinctive(node: Node) -> bool:
    """Whether a node was narrowed by the profile: what R4 itself binds does not tell slices apart."""
    if node.element.get("binding"):
        definition = structure.definition(node.origin[0]) if node.origin[0] else None
        plain = definition.by_path.get(node.origin[1]) if definition else None
        bound = plain.binding.value_set if plain is not None and plain.binding else ""
        return str(node.element["binding"].get("valueSet", "")).partition("|")[0] != bound
    return True


def _all_parts(parts: list[Part], value: Any) -> bool | None:
    answer: bool | None = True
    for name, test in parts:
        met = [test(one) for one, _, _ in children(value, name, (None, "", -1))]
        if True in met:
            continue
        if None not in met:
            return False
        answer = None
    return answer


def _any(reach: Callable[[Item, Findings], list[Item]], wanted: Callable[[Any], bool | None]) -> Test:
    def test(item: Item, findings: Findings) -> bool | None:
        unknown = False
        for value, _, _ in reach(item, findings):
            if type(value) is _Unknown:
                unknown = True
                continue
            held = wanted(value)
            if held:
                return True
            unknown = unknown or held is None
        return None if unknown else False

    return test


def _exists(nodes: list[Node], reach: Callable[[Item, Findings], list[Item]]) -> Test | None:
    if not nodes:
        return None
    must = any(int(node.element.get("min", 0) or 0) > 0 for node in nodes)
    never = any(str(node.element.get("max", "*")) == "0" for node in nodes)
    if must == never:
        return None

    def test(item: Item, findings: Findings) -> bool | None:
        found = reach(item, findings)
        return None if any(type(value) is _Unknown for value, _, _ in found) else bool(found) is must

    return test


def _of_type(nodes: list[Node], reach: Callable[[Item, Findings], list[Item]]) -> Test | None:
    codes: set[str] = set()
    for node in nodes:
        codes |= {str(one.get("code", "")) for one in node.types} or {node.name}
    if not codes:
        return None

    def test(item: Item, findings: Findings) -> bool | None:
        for value, _, type_ in reach(item, findings):
            if type(value) is _Unknown:
                name = value.type
            elif type_:
                name = type_
            else:
                name = str(value.get("resourceType", "")) if type(value) is dict else ""
            if not name:
                return None
            if name in codes or any(structure.is_a(name, code) for code in codes):
                return True
        return False

    return test


def _of_profile(nodes: list[Node], reach: Callable[[Item, Findings], list[Item]], compiler: Compiler) -> Test | None:
    urls: list[str] = []
    for node in nodes:
        for one in node.types:
            urls.extend(str(url) for url in one.get("targetProfile") or one.get("profile") or ())
        if not node.types and node.element.get("path") == node.name:
            urls.append(structure.CORE + node.name)
    if not urls:
        return None

    def test(item: Item, findings: Findings) -> bool | None:
        answer: bool | None = False
        for value, place, _ in reach(item, findings):
            if type(value) is _Unknown:
                answer = None
                continue
            for url in urls:
                held = compiler.conforms(url, value, place, findings)
                if held:
                    return True
                answer = None if held is None else answer
        return answer

    return test
