"""Makes the full tree of a profile: from its snapshot, or from its differential laid over its base.

Data types are grafted in only where a profile goes into them, so a tree stays as small as what it says.
"""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.snapshot_elements import elements, from_elements, with_ids
from fhirplan.validation.tree import BadProfile, Node, type_children, type_tree, unusable

MOST_LEVELS: Final = 40


class Snapshots:
    """Trees by canonical, made once each; ``anew`` from the differentials even where there are snapshots."""

    def __init__(self, definitions: Definitions, *, anew: bool = False) -> None:
        self._anew = anew
        self._definitions = definitions
        self._made: dict[str, Node] = {}

    def tree(self, canonical: str, under: tuple[str, ...] = ()) -> Node:
        """The tree of a profile or R4 type; raises BadProfile. Treat it as read-only but for ``children_of``."""
        found = self._made.get(canonical)
        if found is None:
            url = canonical.partition("|")[0]
            if canonical in under or len(under) > MOST_LEVELS:
                raise unusable(canonical, "its base leads back to itself.")
            found = self._made.setdefault(canonical, self._make(canonical, url, under))
        return found

    def _make(self, canonical: str, url: str, under: tuple[str, ...]) -> Node:
        name = url.removeprefix(structure.CORE)
        if name != url and structure.kind(name):
            return type_tree(name)
        definition = self._definitions.find("StructureDefinition", canonical)
        if definition is None and under:  # a base of another version is better than none
            definition = self._definitions.find("StructureDefinition", url)
        if definition is None:
            raise unusable(canonical, "it is not here. Add the package that has it.")
        listed = elements(definition, "snapshot")
        if len(listed) > 1 and not self._anew:
            return from_elements(listed, url)
        base = definition.get("baseDefinition")
        if not isinstance(base, str):
            raise unusable(url, "it names no base.")
        root = self.tree(base, (*under, canonical)).copy()
        shortcuts: list[tuple[Node, Node]] = []
        for element in with_ids(elements(definition, "differential")):
            self._apply(root, element, url, shortcuts)
        _narrow(shortcuts)
        return root

    def children_of(self, node: Node, type_: str = "") -> list[Node]:
        """The children of a node, grafted from its type (or the one named) where it has none of its own yet."""
        if node.children is None:
            node.children = self._graft(node, type_)
        return node.children

    def _graft(self, node: Node, type_: str) -> list[Node]:
        content = node.element.get("contentReference")
        if isinstance(content, str) and node.origin[0]:
            source = structure.definition(node.origin[0])
            path = content.partition("#")[2].partition(".")[2]
            return type_children(node.origin[0], path) if source and path in source.by_path else []
        types = node.types
        chosen = next((one for one in types if one.get("code") == type_), None) if type_ else None
        if chosen is None:
            chosen = types[0] if types else None
        if chosen is None:
            return []
        profiles = chosen.get("profile") or []
        if len(profiles) == 1 and isinstance(profiles[0], str):
            try:
                return [one.copy() for one in self.children_of(self.tree(profiles[0]))]
            except BadProfile:
                pass  # an unknown data type profile narrows nothing we can see
        code = str(chosen.get("code", ""))
        return type_children(code, "") if structure.kind(code) else []

    def _apply(self, root: Node, element: dict[str, Any], url: str, shortcuts: list[tuple[Node, Node]]) -> None:
        node = root
        names = element["path"].split(".")
        for position, step in enumerate(str(element["id"]).split(".")[1:], 1):
            name, _, slice_ = step.partition(":")
            around = node
            node = self._step(node, name, slice_, url)
            spelled = names[position] if position < len(names) else ""
            if node.slice and node.name.endswith("[x]") and not spelled.endswith("[x]") and spelled != node.stem:
                choice = next((one for one in self.children_of(around) if one.name == node.name), None)
                if choice is not None:
                    shortcuts.append((choice, node))
        _merge(node.element, element)

    def _step(self, node: Node, name: str, slice_: str, url: str) -> Node:
        children = self.children_of(node)
        child = next((one for one in children if one.name == name), None)
        if child is None:
            child, type_ = _choice(children, name)
            if child is None:
                raise unusable(url, f"it has an element {name!r} where its base has none.")
            slice_ = slice_ or name
            if type_:
                made = self._slice(child, slice_)
                made.element["type"] = [one for one in child.types if one.get("code") == type_] or [{"code": type_}]
                child.element.setdefault(
                    "slicing", {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}
                )
                return made
        return self._slice(child, slice_) if slice_ else child

    def _slice(self, node: Node, name: str) -> Node:
        """The slice of that name, made from the element (or the slice it re-slices) when it is new."""
        found = next((one for one in node.slices if one.slice == name), None)
        if found is not None:
            return found
        around, _, _ = name.rpartition("/")
        source = next((one for one in node.slices if one.slice == around), node) if around else node
        made = Node(node.name, dict(source.element), name, node.origin)
        made.children = None if source.children is None else [one.copy() for one in source.children]
        made.element["sliceName"] = name
        made.element["min"] = 0  # a new slice does not inherit how often the element must occur
        made.element.pop("slicing", None)
        node.slices.append(made)
        return made


def _narrow(shortcuts: list[tuple[Node, Node]]) -> None:
    """A choice that a differential names by one type that must occur (``valueQuantity`` 1..1) has that type only."""
    for choice, made in shortcuts:
        least = made.element.get("min", 0)
        if len(choice.slices) == 1 and len(made.types) == 1 and isinstance(least, int) and least > 0:
            choice.element["type"] = made.types
            choice.element["min"] = least


def _choice(children: list[Node], name: str) -> tuple[Node | None, str]:
    """The choice element that a typed name (``valueQuantity``) means, and the type; or the ``[x]`` of a plain name."""
    for one in children:
        if one.name.endswith("[x]"):
            if one.stem == name:
                return one, ""
            if name.startswith(one.stem):
                suffix = name[len(one.stem) :]
                for code in (suffix, suffix[:1].lower() + suffix[1:]):
                    if structure.kind(code):
                        return one, code
    return None, ""


_KEPT: Final = frozenset({"id", "path", "sliceName"})


def _merge(into: dict[str, Any], said: dict[str, Any]) -> None:
    for key, value in said.items():
        if key == "constraint":
            if isinstance(value, list):
                keys = {one.get("key") for one in value if isinstance(one, dict)}
                into[key] = [one for one in into.get(key, ()) if one.get("key") not in keys] + value
        elif key not in _KEPT:
            if key.startswith(("fixed", "pattern")):
                for old in [one for one in into if one.startswith(("fixed", "pattern"))]:
                    del into[old]
            both = key == "binding" and isinstance(value, dict) and isinstance(into.get(key), dict)
            into[key] = {**into[key], **value} if both else value
