"""What a collection holds: plain JSON, or a Node where its type or its extensions would else be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from fhirplan.fhir.path.choices import CHOICES, SPELLED
from fhirplan.fhir.path.failures import NotEvaluable

Items = Sequence[Any]
NOTHING: Final[list[Any]] = []


class Node(NamedTuple):
    """An element with what its JSON value alone does not tell.

    ``value`` is the JSON value, None for a primitive that has only extensions; ``type`` is its FHIR type, "" when
    unknown; ``extra`` is the object under ``_name`` of a primitive (R4 section 2.6.2.3).
    """

    value: Any
    type: str = ""
    extra: dict[str, Any] | None = None


class Unresolved(NamedTuple):
    """The target of a reference of which only the type is known."""

    type: str


class _Several:
    """Stands for more than one item where one was asked for."""

    def __repr__(self) -> str:
        return "SEVERAL"


SEVERAL: Final = _Several()

Step = Callable[[Any], Items]


def typed(value: Any, type_: str, extra: dict[str, Any] | None = None) -> Any:
    """A focus whose FHIR type is known, for ``evaluate``: ``typed("2026-03-01", "dateTime")``."""
    return Node(value, type_, extra)


def content(item: Any) -> Any:
    """The JSON value of an item: None for a primitive that has only extensions."""
    return item.value if type(item) is Node else item


def members(name: str) -> Step:
    """A function from an item to its children of that name; a choice element's type is remembered."""
    under = "_" + name
    choices = CHOICES.get(name)

    def step(item: Any) -> Items:
        if type(item) is not dict:
            return _inside(item, name, step)
        value = item.get(name)
        if value is None:
            if under in item:
                return _paired(None, item[under])
            if choices:
                for key in item:
                    if key in choices:
                        return _chosen(item, key, choices[key])
            return NOTHING
        if under in item:
            return _paired(value, item[under])
        if type(value) is list:
            return value if None not in value else [entry for entry in value if entry is not None]
        return [value]

    return step


def presence(name: str) -> Callable[[Any], bool]:
    """A function from an item to whether it has a child of that name."""
    under = "_" + name
    choices = CHOICES.get(name)
    step = members(name)

    def has(item: Any) -> bool:
        if type(item) is not dict:
            return bool(step(item))
        value = item.get(name)
        if value is not None:
            return type(value) is not list or len(value) > 0 or under in item
        if under in item:
            return True
        if choices:
            for key in item:
                if key in choices:
                    return True
        return False

    return has


def single(name: str) -> Callable[[Any], Any]:
    """A function from an item to the JSON value of its one child of that name: None for none, SEVERAL for more."""
    step = members(name)

    def one(item: Any) -> Any:
        if type(item) is dict:
            value = item.get(name)
            if value is not None and type(value) is not list:
                return value
        return only(step(item))

    return one


def only(items: Items) -> Any:
    """The JSON value of the one item: None when there is none, SEVERAL when there are more."""
    if len(items) == 1:
        item = items[0]
        return item.value if type(item) is Node else item
    return SEVERAL if items else None


def _inside(item: Any, name: str, step: Step) -> Items:
    if type(item) is Node:
        if type(item.value) is dict:
            return step(item.value)
        return step(item.extra) if item.extra and name in ("id", "extension") else NOTHING
    if type(item) is list:
        return [child for entry in item for child in step(entry)]
    if type(item) is Unresolved:
        raise NotEvaluable(f"{name} of a referenced {item.type} is asked for, and the {item.type} is not here.")
    return NOTHING


def _paired(value: Any, extras: Any, type_: str = "") -> Items:
    if type(value) is list or type(extras) is list:
        values = value if type(value) is list else []
        others = extras if type(extras) is list else []
        length = max(len(values), len(others))
        padded = zip(values + [None] * (length - len(values)), others + [None] * (length - len(others)), strict=True)
        return [
            Node(entry, type_, other if type(other) is dict else None)
            for entry, other in padded
            if entry is not None or type(other) is dict
        ]
    if type(extras) is not dict:
        return NOTHING if value is None else [Node(value, type_)]
    return [Node(value, type_, extras)]


def _chosen(item: dict[str, Any], key: str, type_: str) -> Items:
    key = key.removeprefix("_")
    return _paired(item.get(key), item["_" + key], type_) if "_" + key in item else _of_type(item[key], type_)


def _of_type(value: Any, type_: str) -> Items:
    if type(value) is list:
        return [Node(entry, type_) for entry in value if entry is not None]
    return NOTHING if value is None else [Node(value, type_)]


def children(item: Any) -> Iterator[Any]:
    """All direct children of an item, choice elements with their type."""
    source = item
    if type(item) is Node:
        source = item.value if type(item.value) is dict else item.extra
    if type(source) is not dict:
        return
    for key, value in source.items():
        if key == "resourceType" or value is None:
            continue
        if key[:1] == "_":
            if key[1:] not in source:
                yield from _paired(None, value, SPELLED.get(key[1:], ("", ""))[1])
        elif "_" + key in source:
            yield from _paired(value, source["_" + key], SPELLED.get(key, ("", ""))[1])
        elif key in SPELLED:
            yield from _of_type(value, SPELLED[key][1])
        elif type(value) is list:
            yield from (entry for entry in value if entry is not None)
        else:
            yield value


def descendants(item: Any) -> Iterator[Any]:
    """All children, their children and so on, in document order; the item itself is not among them."""
    waiting = [children(item)]
    while waiting:
        child = next(waiting[-1], None)
        if child is None:
            waiting.pop()
            continue
        yield child
        if type(child) is dict or type(child) is Node:
            waiting.append(children(child))
