"""The syntax tree of a FHIRPath expression, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class This:
    """The item in focus: ``$this``, or what a path starts from when it names nothing."""


@dataclass(frozen=True, slots=True)
class Loop:
    """``$index`` or ``$total``: what a function that goes through a collection provides."""

    name: str


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``: the empty collection."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """An integer or decimal literal."""

    value: int | Decimal


@dataclass(frozen=True, slots=True)
class Flag:
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, dateTime or time literal without its ``@``."""

    text: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity literal: ``10 'mg'`` or ``4 days``; ``calendar`` tells a word from a UCUM code."""

    value: int | Decimal
    unit: str
    calendar: bool


@dataclass(frozen=True, slots=True)
class External:
    """``%name``: what the caller provides."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """``target.name``: the children of that name. ``first`` is true where a path starts with it: it may be a type."""

    target: Syntax
    name: str
    first: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """``target[index]``."""

    target: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class Call:
    """``target.name(arguments)``."""

    target: Syntax
    name: str
    arguments: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """Unary ``+`` or ``-``."""

    sign: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Operation:
    """A binary operator other than ``is`` and ``as``."""

    operator: str
    left: Syntax
    right: Syntax


@dataclass(frozen=True, slots=True)
class TypeTest:
    """``operand is Type`` or ``operand as Type``."""

    operator: str
    operand: Syntax
    type: str


Syntax = (
    This
    | Loop
    | Empty
    | Text
    | Number
    | Flag
    | Moment
    | Amount
    | External
    | Member
    | Item
    | Call
    | Sign
    | Operation
    | TypeTest
)


def walk(node: Syntax) -> Iterator[Syntax]:
    """The node and everything below it."""
    waiting: list[Syntax] = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(_below(current))


def depth(node: Syntax) -> int:
    """How many nodes stand below each other at most."""
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        current, level = waiting.pop()
        deepest = max(deepest, level)
        waiting.extend((child, level + 1) for child in _below(current))
    return deepest


def _below(node: Syntax) -> list[Syntax]:
    found: list[Syntax] = []
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            found.extend(value)
        elif isinstance(value, Syntax):
            found.append(value)
    return found


def type_name(node: Syntax) -> str:
    """The type that an argument names, as ``Patient`` or ``System.String``; "" when it is no type name."""
    if isinstance(node, Member):
        if isinstance(node.target, This):
            return node.name if node.first else ""
        outer = type_name(node.target)
        return f"{outer}.{node.name}" if outer else ""
    return node.value if isinstance(node, Text) else ""
