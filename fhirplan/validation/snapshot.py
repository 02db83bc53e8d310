"""Makes the full tree of a profile: from its snapshot, or from its differential laid over its base.

The tree's nodes hold ElementDefinitions. Data types are grafted in only where a profile goes into them, so a tree
stays as small as what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fhirplan.errors import InvalidResource, Issue
from fhirplan.fhir import structure
from fhirplan.validation.definitions import Definitions

MOST_LEVELS: Final = 40
MOST_NODES: Final = 200_000


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
        listed = _elements(definition, "snapshot")
        if len(listed) > 1 and not self._anew:
            return _from_snapshot(listed, url)
        base = definition.get("baseDefinition")
        if not isinstance(base, str):
            raise unusable(url, "it names no base.")
        root = self.tree(base, (*under, canonical)).copy()
        shortcuts: list[tuple[Node, Node]] = []
        for element in _with_ids(_elements(definition, "differential")):
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
            return _type_children(node.origin[0], path) if source and path in source.by_path else []
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
        return _type_children(code, "") if structure.kind(code) else []

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


def type_tree(name: str) -> Node:
    """The tree of an R4 type."""
    definition = structure.definition(name)
    if definition is None:
        raise LookupError(name)
    root = Node(name, {"path": name, "min": 0, "max": "*"}, origin=(name, ""))
    root.children = _type_children(name, "")
    return root


def _type_children(name: str, path: str) -> list[Node]:
    definition = structure.definition(name)
    if definition is None:
        return []
    made = []
    for element in definition.children.get(path, ()):
        node = Node(
            element.path.rpartition(".")[2], element_definition(definition, element), origin=(name, element.path)
        )
        if element.path in definition.children:
            node.children = _type_children(name, element.path)
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


def _elements(definition: dict[str, Any], view: str) -> list[dict[str, Any]]:
    found = definition.get(view)
    listed = found.get("element") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        return []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("path"), str)]


def _with_ids(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements with ids, worked out from path and sliceName where a definition has none."""
    made: list[dict[str, Any]] = []
    current: dict[str, str] = {}
    for element in elements:
        id_ = element.get("id")
        if not isinstance(id_, str):
            parent, _, name = element["path"].rpartition(".")
            id_ = f"{current.get(parent, parent)}.{name}" if parent else name
            slice_ = element.get("sliceName")
            id_ = f"{id_}:{slice_}" if isinstance(slice_, str) and slice_ else id_
        current[element["path"]] = id_
        made.append({**element, "id": id_})
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


def _from_snapshot(elements: list[dict[str, Any]], url: str) -> Node:
    listed = _with_ids(elements)
    first = listed[0]
    root = Node(first["path"], first, origin=(first["path"], ""))
    nodes: dict[str, Node] = {first["id"]: root}
    for element in listed[1:MOST_NODES]:
        id_ = element["id"]
        parent_id, _, last = id_.rpartition(".")
        name, _, slice_ = last.partition(":")
        parent = nodes.get(parent_id)
        if parent is None:
            raise unusable(url, f"its snapshot has an element {id_[:80]!r} without the one around it.")
        node = Node(name, element, slice_)
        if slice_:
            plain = nodes.get(f"{parent_id}.{name}")
            if plain is None:
                plain = Node(name, {"path": element["path"], "min": 0, "max": "*"})
                plain.origin = _origin(parent, name)
                parent.children = [*(parent.children or ()), plain]
                nodes[f"{parent_id}.{name}"] = plain
            plain.slices.append(node)
            node.origin = plain.origin
        else:
            parent.children = [*(parent.children or ()), node]
            node.origin = _origin(parent, name)
        nodes[id_] = node
    return root


def _origin(parent: Node, name: str) -> tuple[str, str]:
    """The R4 type and the path below it that an element comes from."""
    type_, path = parent.origin
    definition = structure.definition(type_)
    if definition is None:
        return ("", "")
    below = definition.by_path.get(path)
    path = below.content if below is not None and below.content else path
    inside = f"{path}.{name}" if path else name
    if inside in definition.by_path:
        return type_, inside
    for one in parent.types:
        code = str(one.get("code", ""))
        found = structure.definition(code)
        if found is not None and name in found.by_path:
            return code, name
    return ("", "")


def elements_of(root: Node) -> list[dict[str, Any]]:
    """A tree as the elements of a StructureDefinition's snapshot, each with id, path, base, definition."""
    made: list[dict[str, Any]] = []
    _write(root, root.name, root.name, made)
    return made


def _write(node: Node, id_: str, path: str, made: list[dict[str, Any]]) -> None:
    element = {key: value for key, value in node.element.items() if key not in ("id", "path")}
    element.setdefault("base", {"path": path, "min": element.get("min", 0), "max": str(element.get("max", "*"))})
    # sdf-3 asks for a definition of each element; R4's own words are linked, not copied.
    element.setdefault("definition", f"See the definition of {element['base']['path']} in R4.")
    if element.get("isModifier") is True:
        element.setdefault("isModifierReason", f"See the definition of {element['base']['path']} in R4.")
    made.append({"id": id_, "path": path, **element})
    if node.slices and "slicing" not in element:
        made[-1]["slicing"] = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
    for child in node.children or ():
        _write(child, f"{id_}.{child.name}", f"{path}.{child.name}", made)
    for one in node.slices:
        _write(one, f"{id_}:{one.slice}", path, made)
