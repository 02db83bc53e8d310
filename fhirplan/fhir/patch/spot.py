"""One element of a resource with where it stands, so that it can be changed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhirplan.fhir.codec import Json, Resource
from fhirplan.fhir.xml.layout import PRIMITIVE, Place, Slot, named

Entry = tuple[Json, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Spot:
    """An element: ``value`` its JSON, ``extra`` what stands under ``_name`` of a primitive.

    ``slot`` is what R4 says of it (None for a resource), ``index`` its place in an array or -1.
    """

    value: Json
    extra: dict[str, Any] | None = None
    slot: Slot | None = None
    parent: Spot | None = None
    index: int = -1

    @property
    def place(self) -> Place:
        """Where its children are declared."""
        if self.slot is None or self.slot.form == "resource":
            return Place(str(self.value.get("resourceType") or "") if isinstance(self.value, dict) else "")
        return self.slot.place or PRIMITIVE

    @property
    def type(self) -> str:
        """Its FHIR type; the resource type for a resource."""
        return self.place.type if self.slot is None or self.slot.form == "resource" else self.slot.type

    @property
    def expression(self) -> str:
        """Its path from the resource, with indexes."""
        if self.slot is None or self.parent is None:
            return self.type
        own = f"{self.parent.expression}.{self.slot.element}"
        return own if self.index < 0 else f"{own}[{self.index}]"

    @property
    def inside(self) -> dict[str, Any]:
        """The JSON object that holds its children; a primitive's is made when it is asked for."""
        if isinstance(self.value, dict):
            return self.value
        if self.extra is None:
            return {}
        return self.extra


def root(resource: Resource) -> Spot:
    """The spot of a whole resource."""
    return Spot(resource)


def entries(holder: dict[str, Any], slot: Slot) -> list[Entry]:
    """What stands under a name: each value with its extensions, both arrays of one length (R4 section 2.6.2.3)."""
    value, extra = holder.get(slot.name), holder.get("_" + slot.name)
    if not isinstance(value, list) and not isinstance(extra, list):
        return [] if value is None and extra is None else [(value, extra if isinstance(extra, dict) else None)]
    values = value if isinstance(value, list) else []
    extras = extra if isinstance(extra, list) else []
    length = max(len(values), len(extras))
    padded = zip(values + [None] * (length - len(values)), extras + [None] * (length - len(extras)), strict=True)
    return [(one, more if isinstance(more, dict) else None) for one, more in padded]


def store(holder: dict[str, Any], slot: Slot, kept: list[Entry]) -> None:
    """Puts these entries under the name; none removes it, and neither array holds nulls alone."""
    for name, items in ((slot.name, [one for one, _ in kept]), ("_" + slot.name, [more for _, more in kept])):
        if any(item is not None for item in items):
            holder[name] = items if slot.many else items[0]
        else:
            holder.pop(name, None)


def children(spot: Spot, slots: tuple[Slot, ...]) -> Iterator[Spot]:
    """The children of an element that stand in these slots."""
    inside = spot.inside
    for slot in slots:
        if slot.name in inside or "_" + slot.name in inside:
            for index, (value, extra) in enumerate(entries(inside, slot)):
                yield Spot(value, extra, slot, spot, index if slot.many else -1)


def present(spot: Spot, name: str) -> tuple[Slot, ...]:
    """The slots of that name (of a choice: each type) in which something stands."""
    inside = spot.inside
    return tuple(slot for slot in named(spot.place, name) if slot.name in inside or "_" + slot.name in inside)


def changed(spot: Spot, kept: list[Entry], slot: Slot) -> None:
    """Puts entries into an element; an element that is left without content goes too, as FHIR has no empty ones."""
    inside = spot.inside
    if not isinstance(spot.value, dict) and spot.extra is None and kept:
        store(inside, slot, kept)
        _replace(spot, spot.value, inside)
        return
    store(inside, slot, kept)
    if not inside:
        _replace(spot, None if isinstance(spot.value, dict) else spot.value, None)


def _replace(spot: Spot, value: Json, extra: dict[str, Any] | None) -> None:
    if spot.parent is None or spot.slot is None:
        return
    kept = entries(spot.parent.inside, spot.slot)
    at = max(spot.index, 0)
    kept[at : at + 1] = [(value, extra)] if value is not None or extra is not None else []
    changed(spot.parent, kept, spot.slot)
