"""A profile or an R4 type as a tree of its elements and slices, each with its ElementDefinition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirplan.errors import InvalidResource, Issue
from fhirplan.fhir import structure


class Node:
    """One element or slice of a profile. ``children`` is None until somebody looks inside."""

    __slots__ = ("children", "element", "name", "origin", "slice", "slices")

    def __init__(
        self, name: str, element: dict[str, Any], slice_: str = "", origin: tuple[str, str] = ("", "")
    ) -> None:
        self.name = name
        self.element = element
        self.slice = slice_
        self.children: list[Node] | None = None
        self.slices: list[Node] = []
        self.origin = origin

    @property
    def stem(self) -> str:
        """The name without the ``[x]`` of a choice."""
        return self.name.removesuffix("[x]")

    @property
    def types(self) -> list[dict[str, Any]]:
        """The allowed types as ElementDefinition.type has them."""
        found = self.element.get("type")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def copy(self) -> Node:
        """A deep copy that shares the values inside element definitions."""
        made = Node(self.name, dict(self.element), self.slice, self.origin)
        made.children = None if self.children is None else [one.copy() for one in self.children]
        made.slices = [one.copy() for one in self.slices]
        return made

    def walk(self) -> Iterator[Node]:
        """The node, its children, then its slices, in the order of a snapshot."""
        yield self
        for one in self.children or ():
            yield from one.walk()
        for one in self.slices:
            yield from one.walk()


class BadProfile(InvalidResource):
    """A profile that cannot be used: its base is missing or leads back to itself, or its elements make no sense."""


def unusable(url: str, why: str) -> BadProfile:
    """The error that a profile cannot be used, and why."""
    return BadProfile(Issue("error", "not-supported", f"The profile {url} cannot be used: {why}", profile=url))


def type_tree(name: str) -> Node:
    """The tree of an R4 type."""
    definition = structure.definition(name)
    if definition is None:
        raise LookupError(name)
    root = Node(name, {"path": name, "min": 0, "max": "*"}, origin=(name, ""))
    root.children = type_children(name, "")
    return root


def type_children(name: str, path: str) -> list[Node]:
    """The elements of an R4 type below a path ("" for the type itself)."""
    definition = structure.definition(name)
    if definition is None:
        return []
    made = []
    for element in definition.children.get(path, ()):
        node = Node(
            element.path.rpartition(".")[2], element_definition(definition, element), origin=(name, element.path)
        )
        if element.path in definition.children:
            node.children = type_children(name, element.path)
        made.append(node)
    return made


def element_definition(definition: structure.Definition, element: structure.Element) -> dict[str, Any]:
    """An R4 element's facts in the form of an ElementDefinition."""
    made: dict[str, Any] = {
        "path": f"{definition.name}.{element.path}",
        "min": element.least,
        "max": "*" if element.most < 0 else str(element.most),
        "base": {
            "path": f"{definition.name}.{element.path}",
            "min": element.least,
            "max": "*" if element.most < 0 else str(element.most),
        },
    }
    if element.content:
        made["contentReference"] = f"#{definition.name}.{element.content}"
    if element.types:
        made["type"] = [_type(item) for item in element.types]
    if element.longest:
        made["maxLength"] = element.longest
    if element.constraints:
        made["constraint"] = [
            {"key": one.key, "severity": one.severity, "human": one.human, "expression": one.expression}
            for one in element.constraints
        ]
    if element.binding:
        made["binding"] = {"strength": element.binding.strength, "valueSet": element.binding.value_set}
    if element.modifier:
        made["isModifier"] = True
    if element.summary:
        made["isSummary"] = True
    return made


def _type(item: structure.TypeRef) -> dict[str, Any]:
    made: dict[str, Any] = {"code": item.code}
    if item.profiles:
        made["profile"] = [one if ":" in one else structure.CORE + one for one in item.profiles]
    if item.targets:
        made["targetProfile"] = [one if ":" in one else structure.CORE + one for one in item.targets]
    return made
