"""Describes a collision: what sort it is, which part of the values tells it, whether both can stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fhirplan.fhir.codec import Json
from fhirplan.merge.conflict import Clash, Kind, kind_of
from fhirplan.merge.naming import value_at
from fhirplan.merge.shape import Unit
from fhirplan.merge.spelling import leaves, spelled

_Object = dict[str, Any]


def of_unit(unit: Unit, path: str, element: str, base: _Object, local: _Object, remote: _Object) -> Clash:
    """The clash about a unit of an element; the three are what each copy holds of it, by JSON name."""
    sides = (base, local, remote)
    names = tuple(unit.keys)
    grouped = unit.grouped or any(key.startswith("_") for side in sides for key in side)
    differing = [name for name in names if spelled(local.get(name)) != spelled(remote.get(name))] or names
    told = next((name for side in (local, remote, base) for name in differing if name in side), names[0])
    before, mine, theirs = (_first(side, differing) for side in sides)
    removed = bool(base) and not (local and remote)
    first, second, third = ((side or None) if grouped else side.get(names[0]) for side in sides)
    return Clash(
        path,
        element,
        "removed" if removed else kind_of(told, unit.keys.get(told, ""), (mine, theirs)),
        first,
        second,
        third,
        (before, mine if mine is not None else theirs) if removed else (theirs, mine),
        unit.keys.get(told, ""),
        names,
        grouped,
    )


def of_item(unit: Unit, path: str, element: str, base: Json, local: Json, remote: Json) -> Clash:
    """The clash about an item of a list; None where a copy does not have it."""
    datatype = next(iter(unit.keys.values()), "")
    part = _telling(unit.identity.shown, base, local, remote)
    before, mine, theirs = (value_at(side, part) for side in (base, local, remote))
    present = local is not None and remote is not None
    kind: Kind = "removed"
    if present:
        name = part.rpartition(".")[2].removesuffix("[x]") or unit.name
        kind = "added" if base is None else kind_of(name, "" if part else datatype, (mine, theirs))
    return Clash(
        path,
        element,
        kind,
        base,
        local,
        remote,
        (theirs, mine) if present else (before, mine if local is not None else theirs),
        datatype,
        tuple(unit.keys),
        both=present and datatype != "Resource",
    )


def say_the_same(unit: Unit, one: _Object, other: _Object) -> bool:
    """Whether two references or codes mean the same and differ in their displays only: nothing to ask about."""
    if len(one) != 1 or one.keys() != other.keys():
        return False
    key = next(iter(one))
    named = {"Reference": "reference", "Coding": "code", "CodeableConcept": "coding"}.get(unit.keys.get(key, ""))
    if named is None or not all(isinstance(side[key], dict) and named in side[key] for side in (one, other)):
        return False
    return spelled(_without_displays(one[key])) == spelled(_without_displays(other[key]))


def fuller(one: Json, other: Json) -> Json:
    """The one of two members of a set that says all that the other says, None where each says more."""
    here, there = Counter(leaves(one)), Counter(leaves(other))
    return one if here >= there else other if there >= here else None


def says_nothing_new(kept: Json, base: Json) -> bool:
    """Whether a change only took something away, so that beside a removal nothing of it is lost."""
    return Counter(leaves(kept)) <= Counter(leaves(base))


def _without_displays(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_displays(item) for key, item in value.items() if key != "display"}
    return [_without_displays(item) for item in value] if isinstance(value, list) else value


def _telling(paths: Sequence[str], *items: Json) -> str:
    """The first path at which the copies differ, else the first at which they have anything, else the item itself."""
    base, local, remote = items
    sides = (local, remote) if local is not None and remote is not None else (base, remote if local is None else local)
    present = [path for path in paths if all(value_at(side, path) is not None for side in sides)]
    for path in present:
        if len({spelled(value_at(side, path)) for side in sides}) > 1:
            return path
    return present[0] if present else ""


def _first(side: _Object, names: Sequence[str]) -> Json:
    return next((side[name] for name in names if name in side), None)
