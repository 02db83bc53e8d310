"""What may stand in an element, in which order and under which JSON names: the R4 facts as a table per place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from fhirplan.fhir.structure import Element, definition, kind

Family = Literal["boolean", "integer", "decimal", "text"]
_INNER: Final = frozenset({"BackboneElement", "Element"})
_FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "boolean": "boolean",
        "integer": "integer",
        "positiveInt": "integer",
        "unsignedInt": "integer",
        "decimal": "decimal",
    }
)


class Place(NamedTuple):
    """Where children are declared: a type and a path below it ("" for the type's own children)."""

    type: str
    path: str = ""


# The id and extensions of a primitive, which JSON keeps under ``_name`` (R4 section 2.6.2.3).
PRIMITIVE: Final = Place("Element")


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that may stand in a place, of one type.

    ``name`` is its JSON and XML name (``valueQuantity``), ``element`` its name in a path (``value``), ``place`` where
    its children are declared (None for a resource, which says so itself). ``order`` is its rank among its siblings;
    the types of a choice share one. ``form`` tells how it is written in XML.
    """

    name: str
    element: str
    type: str
    order: int
    many: bool
    choice: bool
    form: Literal["attribute", "primitive", "xhtml", "complex", "resource"]
    place: Place | None

    @property
    def family(self) -> Family:
        """Which JSON values a primitive takes: true and false, whole numbers, numbers, or strings."""
        return family(self.type)


def family(type_: str) -> Family:
    """Which JSON values a primitive type takes."""
    return _FAMILIES.get(type_, "text")


@cache
def slots(place: Place) -> Mapping[str, Slot]:
    """What may stand in a place, by JSON name, in the order of R4; empty for a place R4 does not have."""
    found = definition(place.type)
    if found is None:
        return MappingProxyType({})
    made: dict[str, Slot] = {}
    for order, element in enumerate(found.children.get(place.path, ())):
        for name, type_ in element.json_names():
            made[name] = _slot(place, element, name, type_.code, order)
    return MappingProxyType(made)


def named(place: Place, name: str) -> tuple[Slot, ...]:
    """What a name means in a place: the types of a choice for ``value``, one slot for ``valueQuantity``."""
    exact = slots(place).get(name)
    return (exact,) if exact else tuple(slot for slot in slots(place).values() if slot.element == name)


def _slot(place: Place, element: Element, name: str, type_: str, order: int) -> Slot:
    own, form = _inside(place, element, type_)
    return Slot(name, element.name, type_, order, element.most != 1, element.choice, form, own)


def _inside(
    place: Place, element: Element, type_: str
) -> tuple[Place | None, Literal["attribute", "primitive", "xhtml", "complex", "resource"]]:
    if element.content:
        return Place(place.type, element.content), "complex"
    if type_ in _INNER:
        return Place(place.type, element.path), "complex"
    if _is_attribute(place, element):
        return None, "attribute"
    match kind(type_):
        case "resource":
            return None, "resource"
        case "primitive-type":
            return PRIMITIVE, "xhtml" if type_ == "xhtml" else "primitive"
    return Place(type_), "complex"


def _is_attribute(place: Place, element: Element) -> bool:
    """Whether XML writes it as an attribute: the id of anything but a resource, and an extension's url."""
    if element.name == "id":
        return bool(place.path) or kind(place.type) != "resource"
    return place == Place("Extension") and element.name == "url"
