"""Turns the discriminators of a slice into a test for one item (R4 section 5.1.0.14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhirplan.fhir import structure
from fhirplan.validation import bindings, matching
from fhirplan.validation.discriminators import Compiler, Item, Unknown, children, nodes_at, reach_of, steps
from fhirplan.validation.findings import Findings
from fhirplan.validation.tree import Node

Test = Callable[[Item, Findings], bool | None]
"""Whether an item belongs to a slice; None where that cannot be told."""
Wanted = Callable[[Any], bool | None]
"""Whether a value is what tells a slice's items from others; None where that cannot be told."""


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
    nodes = nodes_at(slice_, path, compiler)
    reach = reach_of(path)
    if kind in ("value", "pattern"):
        wanted = _wanted(nodes, compiler)
        return _any(reach, wanted) if wanted is not None else None
    if kind == "exists":
        return _exists(nodes, reach)
    if kind == "type":
        return _of_type(nodes, reach)
    if kind == "profile":
        before = nodes_at(slice_, path[:-1], compiler) if path and path[-1][0] == "resolve" else nodes
        return _of_profile(before, reach, compiler)
    return None


def _wanted(nodes: list[Node], compiler: Compiler) -> Wanted | None:
    """What a value at the discriminator must be: fixed, a pattern, in a value set, or what its parts must be."""
    made = [test for node in nodes if (test := wanted_of(node, compiler, 0)) is not None]
    if not made:
        return None
    return made[0] if len(made) == 1 else _either(made)


def _either(tests: list[Wanted]) -> Wanted:
    def test(value: Any) -> bool | None:
        answers = [one(value) for one in tests]
        return True if True in answers else None if None in answers else False

    return test


def wanted_of(node: Node, compiler: Compiler, depth: int) -> Wanted | None:
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


Part = tuple[str, Wanted]


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


def _any(reach: Callable[[Item, Findings], list[Item]], wanted: Wanted) -> Test:
    def test(item: Item, findings: Findings) -> bool | None:
        unknown = False
        for value, _, _ in reach(item, findings):
            if type(value) is Unknown:
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
        return None if any(type(value) is Unknown for value, _, _ in found) else bool(found) is must

    return test


def _of_type(nodes: list[Node], reach: Callable[[Item, Findings], list[Item]]) -> Test | None:
    codes: set[str] = set()
    for node in nodes:
        codes |= {str(one.get("code", "")) for one in node.types} or {node.name}
    if not codes:
        return None

    def test(item: Item, findings: Findings) -> bool | None:
        for value, _, type_ in reach(item, findings):
            if type(value) is Unknown:
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
            if type(value) is Unknown:
                answer = None
                continue
            for url in urls:
                held = compiler.conforms(url, value, place, findings)
                if held:
                    return True
                answer = None if held is None else answer
        return answer

    return test
