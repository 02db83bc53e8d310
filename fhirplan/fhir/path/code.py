"""Compiled FHIRPath: four views of one expression, each a closure, so that no list is built where a flag will do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.nodes import NOTHING, SEVERAL, Items, Node, Unresolved, only

Many = Callable[[Any, Context], Items]
Truth = Callable[[Any, Context], "bool | None"]
Some = Callable[[Any, Context], bool]
One = Callable[[Any, Context], Any]


@dataclass(frozen=True, slots=True)
class Code:
    """One expression, compiled. Each view takes the item in focus (or a list, a whole collection) and the context.

    ``many`` gives the items; the list may be shared, so nobody changes it. ``truth`` gives true, false or None for
    empty, as an operand of a Boolean operator. ``some`` tells whether there is any item. ``one`` gives the value of
    the only item, None for none, SEVERAL for more. ``indexed`` is true where ``$index`` or ``$total`` is read;
    ``constant`` is the value of a literal; ``logical`` is true where the expression gives nothing but true or false.
    ``known`` gives the items of a path with the types that the context tells; without it ``many`` serves. ``name`` is
    set for a plain child of the focus; ``tests`` for a conjunction of children that have one of some texts.
    """

    many: Many
    truth: Truth
    some: Some
    one: One
    indexed: bool = False
    constant: Any = None
    logical: bool = False
    known: Many | None = None
    name: str = ""
    tests: tuple[tuple[str, frozenset[str]], ...] = ()

    def but(self, **changes: Any) -> Code:
        """The same with some views replaced by faster ones."""
        return replace(self, **changes)


def from_many(many: Many) -> Code:
    """The code of an expression that gives items."""
    return Code(
        many=many,
        truth=lambda this, context: truth_of(many(this, context)),
        some=lambda this, context: bool(many(this, context)),
        one=lambda this, context: only(many(this, context)),
    )


def from_truth(truth: Truth) -> Code:
    """The code of an expression that gives true, false or nothing."""

    def many(this: Any, context: Context) -> Items:
        value = truth(this, context)
        return NOTHING if value is None else [value]

    def some(this: Any, context: Context) -> bool:
        return truth(this, context) is not None

    return Code(many=many, truth=truth, some=some, one=truth, logical=True)


def from_one(one: One) -> Code:
    """The code of an expression that gives at most one value, None for none; never SEVERAL."""

    def many(this: Any, context: Context) -> Items:
        value = one(this, context)
        return NOTHING if value is None else [value]

    def truth(this: Any, context: Context) -> bool | None:
        value = one(this, context)
        return None if value is None else value is not False

    return Code(many=many, truth=truth, some=lambda this, context: one(this, context) is not None, one=one)


def constant(value: Any) -> Code:
    """The code of a literal."""
    return from_one(lambda this, context: value).but(constant=value)


def truth_of(items: Items) -> bool | None:
    """What a collection counts as where a Boolean is wanted (FHIRPath N1 section 4.5, singleton evaluation).

    Nothing is None; one Boolean is itself; any other single item is true. More than one item counts as true, unless
    one of them is false: published rules such as ``telecom or endpoint`` need it.
    """
    if not items:
        return None
    if len(items) == 1:
        item = items[0]
        value = item.value if type(item) is Node else item
        return value if type(value) is bool else True
    return not any((item.value if type(item) is Node else item) is False for item in items)


def one_value(value: Any, what: str) -> Any:
    """A value from ``one``, checked to be single; raises NotEvaluable naming ``what`` wanted it."""
    if value is SEVERAL:
        raise NotEvaluable(f"{what} needs a single value and is given several.")
    if type(value) is Unresolved:
        raise NotEvaluable(f"{what} needs a referenced {value.type} that is not here.")
    return value


def singly(view: One, what: str) -> One:
    """``view`` with several values refused, as ``one_value`` does."""

    def one(this: Any, context: Context) -> Any:
        value = view(this, context)
        if value is SEVERAL or type(value) is Unresolved:
            one_value(value, what)
        return value

    return one


# What a path starts from. A list in focus is a whole collection (the arguments of iif see one).
THIS = Code(
    many=lambda this, context: this if type(this) is list else [this],
    truth=lambda this, context: truth_of(this if type(this) is list else [this]),
    some=lambda this, context: bool(this) if type(this) is list else True,
    one=lambda this, context: only(this) if type(this) is list else (this.value if type(this) is Node else this),
)
