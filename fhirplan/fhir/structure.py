"""The structure of R4 4.0.1: types, elements, value sets and code systems, loaded per type on demand.

The data in ``fhirplan/fhir/r4`` is written by ``scripts/r4_facts.py`` from R4's published definitions; its format is
described there.

    >>> definition("CarePlan").element("status").binding
    Binding(strength='required', value_set='http://hl7.org/fhir/ValueSet/request-status')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
VALUE_SETS: Final = "http://hl7.org/fhir/ValueSet/"
FACTS: Final = Path(__file__).parent / "r4"


@dataclass(frozen=True, slots=True)
class Binding:
    """Which value set an element's codes come from and how strictly (required, extensible, preferred).

    ``largest`` is the value set that no code may be outside of (R4's maxValueSet), "" where there is none.
    """

    strength: str
    value_set: str
    largest: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: key, severity (error or warning), the sentence for people, the FHIRPath expression."""

    key: str
    severity: str
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class TypeRef:
    """One type an element may have: ``targets`` are type names (or canonicals) for Reference and canonical."""

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. ``path`` is below the type ("" is the type itself, ``activity.detail.status``).

    ``most`` is -1 where there is no upper bound. ``content`` is the path whose children this element shares (R4's
    contentReference). ``format`` is the published regex of a primitive's value.
    """

    path: str
    least: int
    most: int
    types: tuple[TypeRef, ...]
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    content: str = ""
    format: str = ""
    longest: int = 0
    lowest: int | None = None
    modifier: bool = False
    summary: bool = False

    @property
    def name(self) -> str:
        """The last step of the path, without the ``[x]`` of a choice."""
        return self.path.rpartition(".")[2].removesuffix("[x]")

    @property
    def parent(self) -> str:
        """The path of the element this one stands in."""
        return self.path.rpartition(".")[0]

    @property
    def choice(self) -> bool:
        """Whether the type is part of the JSON name (``valueQuantity``)."""
        return self.path.endswith("[x]")

    def json_names(self) -> tuple[tuple[str, TypeRef], ...]:
        """The names this element may have in JSON, each with its type."""
        if not self.choice:
            return ((self.name, self.types[0] if self.types else TypeRef("")),)
        return tuple((self.name + item.code[0].upper() + item.code[1:], item) for item in self.types)


@dataclass(frozen=True, slots=True)
class Definition:
    """One type: kind is resource, complex-type or primitive-type; ``base`` the type it specializes."""

    name: str
    kind: str
    base: str
    abstract: bool
    elements: tuple[Element, ...]
    by_path: Mapping[str, Element] = field(repr=False)
    children: Mapping[str, tuple[Element, ...]] = field(repr=False)

    @property
    def url(self) -> str:
        """The canonical of the type's own definition."""
        return CORE + self.name

    def element(self, path: str) -> Element | None:
        """The element at a path below the type, or None; a choice is found with and without its ``[x]``."""
        return self.by_path.get(path) or self.by_path.get(path + "[x]")


@cache
def _index() -> dict[str, tuple[str, str, int]]:
    read: dict[str, tuple[str, str, int]] = msgspec.json.decode(
        (FACTS / "index.json").read_bytes(), type=dict[str, tuple[str, str, int]]
    )
    return read


@cache
def resource_types() -> frozenset[str]:
    """The names of all resource types that can stand in JSON (148 of them)."""
    return frozenset(name for name, (kind, _, abstract) in _index().items() if kind == "resource" and not abstract)


def kind(name: str) -> str:
    """resource, complex-type or primitive-type; "" for a name that R4 does not have."""
    found = _index().get(name)
    return found[0] if found else ""


def is_a(name: str, other: str) -> bool:
    """Whether a type is another one or specializes it (``Age`` is a ``Quantity``, every resource a ``Resource``)."""
    while name:
        if name == other:
            return True
        found = _index().get(name)
        name = found[1] if found else ""
    return False


@cache
def definition(name: str) -> Definition | None:
    """The definition of a type, or None where R4 has no such type."""
    found = _index().get(name)
    if found is None:
        return None
    rows = msgspec.json.decode((FACTS / "types" / f"{name}.json").read_bytes())["elements"]
    elements = tuple(_element(*row) for row in rows)
    children: dict[str, list[Element]] = {}
    for one in elements[1:]:
        children.setdefault(one.parent, []).append(one)
    return Definition(
        name,
        found[0],
        found[1],
        bool(found[2]),
        elements,
        {one.path: one for one in elements},
        {path: tuple(items) for path, items in children.items()},
    )


def _element(path: str, least: int, most: str, types: list[Any], details: Mapping[str, Any] | None = None) -> Element:
    said = details or {}
    bound = said.get("b")
    return Element(
        path,
        least,
        -1 if most == "*" else int(most),
        tuple(_type(*item) for item in types),
        _binding(*bound) if bound else None,
        tuple(Constraint(*rule) for rule in said.get("c", ())),
        said.get("r", ""),
        said.get("f", ""),
        said.get("l", 0),
        said["v"][0] if "v" in said else None,
        "m" in said,
        "s" in said,
    )


def _binding(strength: str, value_set: str, largest: str = "") -> Binding:
    return Binding(strength, value_set if ":" in value_set else VALUE_SETS + value_set, largest)


def _type(code: str, targets: list[str] | None = None, profiles: list[str] | None = None) -> TypeRef:
    return TypeRef(code, tuple(targets or ()), tuple(profiles or ()))


@cache
def _profiles() -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode((FACTS / "profiles.json").read_bytes())
    return read


def structure_definition(url: str) -> dict[str, Any] | None:
    """R4's own profile or extension definition as a StructureDefinition with a differential, or None."""
    found = _profiles().get(url)
    if found is None:
        return None
    made: dict[str, Any] = {
        "resourceType": "StructureDefinition",
        "id": url.rpartition("/")[2],
        "url": url,
        "version": "4.0.1",
        "name": found["name"],
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": found["kind"],
        "abstract": found["abstract"],
        "type": found["type"],
        "baseDefinition": found["baseDefinition"],
        "derivation": "constraint",
        "differential": {"element": found["element"]},
    }
    if "context" in found:
        made["context"] = [{"type": kind_, "expression": expression} for kind_, expression in found["context"]]
    if "contextInvariant" in found:
        made["contextInvariant"] = found["contextInvariant"]
    return made


@cache
def _systems() -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode((FACTS / "systems.json").read_bytes())
    return read


@cache
def _value_sets() -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode((FACTS / "valuesets.json").read_bytes())
    return read


def code_system(url: str) -> dict[str, Any] | None:
    """R4's own copy of a code system (codes and hierarchy only) as a CodeSystem, or None."""
    found = _systems().get(url)
    if found is None:
        return None
    return {
        "resourceType": "CodeSystem",
        "url": url,
        "content": found[0],
        "caseSensitive": bool(found[1]),
        "concept": [_concept(item) for item in found[2]],
    }


def _concept(item: Any) -> dict[str, Any]:
    return {"code": item} if isinstance(item, str) else {"code": item[0], "concept": [_concept(one) for one in item[1]]}


def value_set(url: str) -> dict[str, Any] | None:
    """R4's own value set (its compose only) as a ValueSet, or None."""
    found = _value_sets().get(url)
    if found is None:
        return None
    compose: dict[str, Any] = {"include": [_part(*part) for part in found[0]]}
    if found[1]:
        compose["exclude"] = [_part(*part) for part in found[1]]
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}


def _part(
    system: str,
    codes: list[str] | None = None,
    filters: list[list[str]] | None = None,
    value_sets: list[str] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if system:
        made["system"] = system
    if codes:
        made["concept"] = [{"code": code} for code in codes]
    if filters:
        made["filter"] = [{"property": p, "op": op, "value": value} for p, op, value in filters]
    if value_sets:
        made["valueSet"] = value_sets
    return made
