"""What the members of an element are, compiled from R4's definitions and the rules: which JSON names are one unit.

One unit are an element and its primitive extension (``birthDate``, ``_birthDate``), all forms of a choice
(``valueQuantity``, ``valueString``), and members that the rules bind together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.fhir.codec import Json
from fhirplan.fhir.structure import Definition, Element
from fhirplan.merge import primitives
from fhirplan.merge.rules import BY_VALUE, Identity, Rules

_BACKBONE: Final = frozenset({"BackboneElement", "Element"})


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of an element. ``keys`` are its JSON names, without those of primitive extensions, each with its
    R4 type ("" where R4 knows none). ``grouped`` where it may have several of them. ``inner`` says where the shape of
    its members stands, as (type, path).
    """

    name: str
    keys: Mapping[str, str]
    many: bool = False
    grouped: bool = False
    whole: bool = False
    set: bool = False
    known: bool = True
    identity: Identity = BY_VALUE
    inner: tuple[str, str] = ("", "")

    def of(self, element: Mapping[str, Any]) -> dict[str, Any]:
        """What an element holds of this unit, by JSON name; empty where it holds nothing."""
        held: dict[str, Any] = {}
        for key in self.keys:
            if key in element:
                held[key] = element[key]
            if "_" + key in element:
                held["_" + key] = element["_" + key]
        return held


@dataclass(frozen=True, slots=True)
class Shape:
    """The units of an element by their JSON names."""

    units: Mapping[str, Unit] = field(default_factory=dict)

    def unit(self, key: str) -> Unit:
        """The unit a JSON name belongs to; one of its own where R4 does not know the name."""
        plain = key.removeprefix("_")
        return self.units.get(plain) or Unit(plain, {plain: ""}, known=False)

    def held(self, *objects: Mapping[str, Any]) -> Iterator[Unit]:
        """The units that any of the objects has something of, each once, in the order in which they stand there."""
        seen: set[str] = set()
        for one in objects:
            for key in one:
                if key not in seen:
                    unit = self.unit(key)
                    for name in unit.keys:
                        seen |= {name, "_" + name}
                    yield unit


NO_SHAPE: Final = Shape()


def shape_of(rules: Rules, type_: str, path: str = "") -> Shape:
    """The shape of a type, or of the element at a path in it; one without members where R4 has no such type."""
    return _compiled(rules, type_, path) if structure.kind(type_) else NO_SHAPE


def inner_shape(rules: Rules, unit: Unit, key: str, local: Json, remote: Json) -> Shape | None:
    """The shape to merge two objects by, None where they stand or fall as a whole."""
    if unit.whole or not isinstance(local, dict) or not isinstance(remote, dict) or primitives.is_pair(local):
        return None
    datatype = unit.keys.get(key, "")
    if datatype in rules.whole:
        return None
    if "resourceType" in local or "resourceType" in remote:
        same = local.get("resourceType") == remote.get("resourceType")
        return shape_of(rules, str(local.get("resourceType"))) if same else None
    if unit.grouped:
        return shape_of(rules, datatype) if datatype else NO_SHAPE
    return shape_of(rules, *unit.inner) if unit.known else NO_SHAPE


@cache
def _compiled(rules: Rules, type_: str, path: str) -> Shape:
    definition = structure.definition(type_)
    if definition is None:
        return NO_SHAPE
    here = f"{type_}.{path}" if path else type_
    children = {item.path.rpartition(".")[2]: item for item in definition.children.get(path, ())}
    bound = {name: group for group in rules.bound.get(here, ()) for name in group if name in children}
    units: dict[str, Unit] = {}
    for name, element in children.items():
        group = bound.get(name, (name,))
        members = [children[item] for item in group if item in children]
        unit = _unit(rules, definition, element) if len(members) == 1 else _group(members)
        units.update(dict.fromkeys((key for key, _ in element.json_names()), unit))
    return Shape(units)


def _group(members: list[Element]) -> Unit:
    keys = {key: ref.code for member in members for key, ref in member.json_names()}
    return Unit(members[0].name, keys, grouped=True, whole=True)


def _unit(rules: Rules, definition: Definition, element: Element) -> Unit:
    keys = {key: ref.code for key, ref in element.json_names()}
    datatype = "" if element.choice else next(iter(keys.values()), "")
    path = f"{definition.name}.{element.path}"
    if element.content:
        inner, identity = (definition.name, element.content), f"{definition.name}.{element.content}"
    else:
        inner = (definition.name, element.path) if datatype in _BACKBONE else (datatype, "")
        identity = path
    return Unit(
        element.name,
        keys,
        many=element.most != 1,
        grouped=element.choice,
        whole=bool({datatype, path} & rules.whole),
        set=path in rules.sets,
        identity=rules.identity(identity, datatype or ("BackboneElement" if element.content else "")),
        inner=inner,
    )
