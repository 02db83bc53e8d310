"""Reads the elements of a StructureDefinition's snapshot into a tree, and writes a tree as such elements."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation.tree import Node, unusable

MOST_NODES: Final = 200_000


def elements(definition: dict[str, Any], view: str) -> list[dict[str, Any]]:
    """The elements of a definition's ``snapshot`` or ``differential``; those without a path are left out."""
    found = definition.get(view)
    listed = found.get("element") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        return []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("path"), str)]


def with_ids(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
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


def from_elements(given: list[dict[str, Any]], url: str) -> Node:
    """The tree of a snapshot's elements; raises BadProfile where one stands without the element around it."""
    listed = with_ids(given)
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
