"""A search without its values: what is looked up, probed and ordered by. Equal shapes share one statement.

Every part that binds values has a ``slot``, a number that no other part of the shape has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhirplan.search.definitions import ParameterType

Result = Literal["versions", "positions", "count", "some"]
Kind = ParameterType | Literal["updated", "id"]


@dataclass(frozen=True, slots=True)
class Group:
    """Values of one condition that are compared alike: ``form`` says how, ``size`` how many there are."""

    form: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Probe:
    """A row in the index of ``kind`` (or the resource's own time or id) that one of the groups matches."""

    slot: int
    kind: Kind
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Any row of a parameter, in one of the indexes of ``kinds``."""

    slot: int
    kinds: tuple[ParameterType, ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """A reference of a parameter to a live resource of a type that fulfils ``inner``."""

    slot: int
    inner: Node


@dataclass(frozen=True, slots=True)
class Backward:
    """A resource that fulfils ``inner`` and refers to this one, which is of a type, by a parameter."""

    slot: int
    inner: Node


@dataclass(frozen=True, slots=True)
class All:
    """All parts; with none, anything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One of the parts; with none, nothing."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not the part."""

    part: Node


Node = Probe | Present | Forward | Backward | All | Any | Not


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the order: the lowest or, ``descending``, the highest value that a resource has in an index.

    A time is ordered by its begin, and then by its end: these are two keys of one slot, ``column`` telling which.
    """

    slot: int
    kind: Kind
    descending: bool
    column: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A search without its values.

    ``driver`` is the part whose index is read, by its place in ``nodes``; "id" for one resource by its id, "type" for
    all resources of the type; where the keys have one slot, "key" for those with a value of it, in its order, and
    "keyless" for those that a node says have none. ``keys`` are the order, none for that of storing. ``after`` says,
    where the page goes on after a position, which of its keys have a value; None for the first page. ``result`` is
    what is read: whole versions or positions (rid), each with its keys, the number of all, or the number up to a limit
    ("some").
    """

    driver: int | Literal["id", "type", "key", "keyless"]
    nodes: tuple[Node, ...]
    keys: tuple[Key, ...] = ()
    after: tuple[bool, ...] | None = None
    result: Result = "versions"


NOTHING = Any(())
ANYTHING = All(())
