"""Applies a FHIRPath Patch (R4, FHIRPath Patch) to a resource: all of it or nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.codec import MAX_DEPTH, Json, Resource
from fhirplan.fhir.patch.failures import MAX_ADDED, MAX_OPERATIONS, Refusal, expect_identity
from fhirplan.fhir.patch.json_values import copied, equal, measured
from fhirplan.fhir.patch.locate import Locator
from fhirplan.fhir.patch.parameters import Given, PathOperation, given, operations
from fhirplan.fhir.patch.spot import Entry, Spot, changed, entries, present, root, store
from fhirplan.fhir.path.syntax import Member, Syntax
from fhirplan.fhir.structure import is_a, kind
from fhirplan.fhir.xml.layout import Place, Slot, family, named

_JSON: Final[dict[str, tuple[type, ...]]] = {
    "text": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, Decimal),
}


def fhirpath_patch(
    resource: Resource, parameters: Json, *, most: int = MAX_OPERATIONS, max_added: int = MAX_ADDED
) -> Resource:
    """A resource with the operations of a Parameters resource carried out in order; the given one is not changed.

    add, insert, delete, replace and move are R4's. ``test`` (path, value) is an extension of this server: it fails
    unless the path names one element that equals the value, numbers by value, a primitive's extensions only where the
    value has some. A path names elements as ``locate`` describes; ``replace`` replaces the whole element with its
    extensions; what loses its last content is removed, as FHIR has no empty elements; ``insert`` at 0 may start a
    list. The result is not validated here beyond what may stand where. Raises as ``json_patch`` does.
    """
    patch = _Patch(copied(resource), max_added)
    for operation in operations(parameters, most):
        patch.apply(operation)
    expect_identity(resource, patch.resource)
    return patch.resource


class _Patch:
    """A resource being changed: a copy, so that nothing is done when anything fails."""

    def __init__(self, resource: Resource, max_added: int) -> None:
        self.resource = resource
        self._left = max_added
        self._locator = Locator()
        self._refusal = Refusal(0, "")

    def apply(self, operation: PathOperation) -> None:
        """Carries out one operation."""
        self._refusal = self._locator.refusal = operation.refusal
        tree = self._locator.tree(operation.path)
        match operation:
            case PathOperation(type="add", given=Given() as value):
                self._add(self._one(tree), operation.name, value)
            case PathOperation(type="insert", given=Given() as value):
                self._insert(tree, operation.index, value)
            case PathOperation(type="delete"):
                self._delete(tree)
            case PathOperation(type="replace", given=Given() as value):
                self._replace(self._one(tree), value)
            case PathOperation(type="move"):
                self._move(tree, operation.source, operation.destination)
            case PathOperation(type="test", given=Given() as value):
                self._test(tree, value)

    def _one(self, tree: Syntax) -> Spot:
        return self._locator.one(tree, root(self.resource))

    # The operations

    def _add(self, holder: Spot, name: str, value: Given) -> None:
        slot = self._slot(holder, name, value)
        taken = present(holder, slot.element)
        if taken and not slot.many:
            raise self._refusal.impossible(
                f"{holder.expression}.{slot.element} is there already and may stand once. Use replace.",
                f"{holder.expression}.{slot.element}",
            )
        changed(holder, [*entries(holder.inside, slot), self._entry(holder, slot, value)], slot)

    def _insert(self, tree: Syntax, index: int, value: Given) -> None:
        holder, slot = self._collection(tree)
        kept = entries(holder.inside, slot)
        self._expect_index(holder, slot, index, len(kept), "index")
        kept.insert(index, self._entry(holder, slot, value))
        changed(holder, kept, slot)

    def _delete(self, tree: Syntax) -> None:
        if self._locator.all(tree, root(self.resource)):
            spot = self._one(tree)
            holder, slot = self._standing(spot)
            kept = entries(holder.inside, slot)
            del kept[max(spot.index, 0)]
            changed(holder, kept, slot)

    def _replace(self, spot: Spot, value: Given) -> None:
        holder, old = self._standing(spot)
        slot = self._slot(holder, old.element, value) if old.choice else old
        entry = self._entry(holder, slot, value)
        kept = entries(holder.inside, old)
        kept[max(spot.index, 0)] = entry
        if slot != old:
            holder.inside.pop(old.name, None)
            holder.inside.pop("_" + old.name, None)
        changed(holder, kept, slot)

    def _move(self, tree: Syntax, source: int, destination: int) -> None:
        holder, slot = self._collection(tree)
        kept = entries(holder.inside, slot)
        self._expect_index(holder, slot, source, len(kept) - 1, "source")
        self._expect_index(holder, slot, destination, len(kept) - 1, "destination")
        kept.insert(destination, kept.pop(source))
        changed(holder, kept, slot)

    def _test(self, tree: Syntax, value: Given) -> None:
        spot = self._one(tree)
        holder, old = self._standing(spot)
        slot = self._slot(holder, old.element, value) if old.choice else old
        expected, extra = self._entry(holder, slot, value)
        holds = slot == old and equal(spot.value, expected) and (extra is None or equal(spot.extra, extra))
        if not holds:
            raise self._refusal.failed(
                f"{spot.expression} is not what the test expects, so nothing was changed. Read the resource again and "
                "decide anew.",
                spot.expression,
            )

    # Where

    def _standing(self, spot: Spot) -> tuple[Spot, Slot]:
        if spot.parent is None or spot.slot is None:
            raise self._refusal.impossible(
                "the path names the whole resource. Update or delete the resource instead, or name an element of it."
            )
        return spot.parent, spot.slot

    def _collection(self, tree: Syntax) -> tuple[Spot, Slot]:
        """The element and slot of a list, which may have no items yet."""
        if not isinstance(tree, Member):
            raise self._refusal.malformed("the path must end with the name of a list, as CarePlan.activity.")
        holder = self._one(tree.target)
        found = named(holder.place, tree.name)
        if not found:
            raise self._locator.unknown(holder.place, tree.name, holder.expression)
        if not found[0].many:
            where = f"{holder.expression}.{tree.name}"
            raise self._refusal.impossible(f"{where} is no list: it may stand once. Use add or replace.", where)
        return holder, found[0]

    def _expect_index(self, holder: Spot, slot: Slot, index: int, highest: int, name: str) -> None:
        if index > highest:
            where = f"{holder.expression}.{slot.element}"
            raise self._refusal.impossible(
                f"{name} is {index}, and {where} has {'no place' if highest < 0 else f'places 0 to {highest}'} for it.",
                where,
            )

    def _slot(self, holder: Spot, name: str, value: Given) -> Slot:
        """The slot of a name; of a choice, the one of the value's type."""
        found = named(holder.place, name)
        if not found:
            raise self._locator.unknown(holder.place, name, holder.expression)
        if len(found) == 1:
            return found[0]
        for slot in found:
            if slot.type == value.type:
                return slot
        where, types = f"{holder.expression}.{name}", ", ".join(slot.type for slot in found)
        if not value.type:
            raise self._refusal.malformed(f"{where} has one of several types ({types}); say which: give a value[x].")
        raise self._refusal.impossible(f"{where} cannot be a {value.type}; it is one of {types}.", where, "structure")

    # What

    def _entry(self, holder: Spot, slot: Slot, value: Given) -> Entry:
        """What is put into a slot: checked to be of its kind, copied, and counted."""
        where = f"{holder.expression}.{slot.element}"
        made = self._assembled(slot, value, where) if value.parts else value.value
        if value.type:
            self._expect_type(slot, value, where)
        for item in (made, value.extra):
            size, depth = measured(item)
            self._left -= size
            if self._left < 0:
                raise self._refusal.costly("the patch adds more than a resource may hold. Send it in parts.")
            if where.count(".") + where.count("[") + depth > MAX_DEPTH:
                raise self._refusal.costly(f"the resource would be nested more than {MAX_DEPTH} levels deep.")
        return copied(made), copied(value.extra)

    def _expect_type(self, slot: Slot, value: Given, where: str) -> None:
        """That a value can stand in a slot; what the text of a primitive must look like is for validation."""
        if slot.form == "complex" and slot.place is not None and slot.place.path:
            raise self._refusal.impossible(
                f"{where} has no type of its own. Give its parts instead of a value[x].", where
            )
        if slot.form in ("primitive", "xhtml", "attribute"):
            if kind(value.type) == "primitive-type":
                allowed = _JSON[family(slot.type)]
                right = isinstance(value.value, allowed) and isinstance(value.value, bool) is (allowed == (bool,))
                if right or (value.value is None and slot.form == "primitive"):
                    return
        elif is_a(value.type, slot.type):
            return
        raise self._refusal.impossible(f"{where} is a {slot.type}; the value is a {value.type}.", where, "structure")

    def _assembled(self, slot: Slot, value: Given, where: str) -> dict[str, Any]:
        """The element that parts describe, each part named like the child it is."""
        if slot.form != "complex" or slot.place is None:
            raise self._refusal.impossible(f"{where} is a {slot.type}, which has no parts. Give a value[x].", where)
        return self._object(slot.place, value, where, 1)

    def _object(self, place: Place, value: Given, where: str, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise self._refusal.costly(f"the parts are nested more than {MAX_DEPTH} levels deep.")
        made: dict[str, Any] = {}
        for part in value.parts:
            child = given(part, self._refusal)
            slot = self._child(place, part["name"], child, where)
            below = f"{where}.{slot.element}"
            kept = entries(made, slot)
            if kept and not slot.many:
                raise self._refusal.malformed(f"{below} is given twice and may stand once.")
            if not child.parts:
                self._expect_type(slot, child, below)
                store(made, slot, [*kept, (child.value, child.extra)])
            elif slot.form == "complex" and slot.place is not None:
                store(made, slot, [*kept, (self._object(slot.place, child, below, depth + 1), None)])
            else:
                raise self._refusal.malformed(f"{below} has no parts. Give a value[x].")
        return made

    def _child(self, place: Place, name: str, value: Given, where: str) -> Slot:
        found = named(place, name)
        if not found:
            raise self._locator.unknown(place, name, where)
        for slot in found:
            if len(found) == 1 or slot.type == value.type:
                return slot
        types = ", ".join(slot.type for slot in found)
        raise self._refusal.impossible(f"{where}.{name} is one of {types}; say which by a value[x].", where)
