"""Compiles the operators: Boolean, equality, order, arithmetic, membership, union (FHIRPath N1 section 6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.path import arithmetic
from fhirplan.fhir.path.code import Code, from_many, from_one, from_truth, one_value, singly
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import all_equivalent, compare, equal, equivalent, unique
from fhirplan.fhir.path.nodes import SEVERAL, Items, content
from fhirplan.fhir.path.temporal import looks_temporal

Build = Callable[[Code, Code], Code]


def _and(left: Code, right: Code) -> Code:
    one, other = left.truth, right.truth

    def truth(this: Any, context: Context) -> bool | None:
        first = one(this, context)
        if first is False:
            return False
        second = other(this, context)
        if second is False:
            return False
        return True if first and second else None

    made = from_truth(truth)
    return tested((*left.tests, *right.tests), made) if left.tests and right.tests else made


def _or(left: Code, right: Code) -> Code:
    one, other = left.truth, right.truth

    def truth(this: Any, context: Context) -> bool | None:
        first = one(this, context)
        if first:
            return True
        second = other(this, context)
        if second:
            return True
        return False if first is False and second is False else None

    made = from_truth(truth)
    if len(left.tests) == len(right.tests) == 1 and left.tests[0][0] == right.tests[0][0]:
        return tested(((left.tests[0][0], left.tests[0][1] | right.tests[0][1]),), made)
    return made


def _xor(left: Code, right: Code) -> Code:
    one, other = left.truth, right.truth

    def truth(this: Any, context: Context) -> bool | None:
        first, second = one(this, context), other(this, context)
        return None if first is None or second is None else first is not second

    return from_truth(truth)


def _implies(left: Code, right: Code) -> Code:
    one, other = left.truth, right.truth

    def truth(this: Any, context: Context) -> bool | None:
        first = one(this, context)
        if first is False:
            return True
        second = other(this, context)
        return second if first else (True if second else None)

    return from_truth(truth)


def _equals(left: Code, right: Code) -> Code:
    text = right.constant
    if type(text) is str and not looks_temporal(text):
        return _equals_text(left, text)
    if left.logical and right.logical:
        return _denied(_xor(left, right))
    one, other, items, others = left.one, right.one, left.many, right.many

    def truth(this: Any, context: Context) -> bool | None:
        first, second = one(this, context), other(this, context)
        if first is None or second is None:
            # Nothing, or an element that has extensions only, is equal to nothing.
            return None
        if first is SEVERAL or second is SEVERAL:
            return _equal_items(items(this, context), others(this, context))
        return equal(first, second)

    return from_truth(truth)


def _equals_text(left: Code, text: str) -> Code:
    one = left.one

    def truth(this: Any, context: Context) -> bool | None:
        value = one(this, context)
        return None if value is None else bool(value == text)

    made = from_truth(truth)
    return tested(((left.name, frozenset({text})),), made) if left.name else made


def tested(tests: tuple[tuple[str, frozenset[str]], ...], otherwise: Code) -> Code:
    """``status = 'a' or status = 'b'`` and the like at the cost of a look-up; ``otherwise`` serves unusual items."""
    general = otherwise.truth
    if len(tests) == 1:
        name, wanted = tests[0]

        def truth(this: Any, context: Context) -> bool | None:
            if type(this) is dict:
                value = this.get(name)
                if type(value) is str:
                    return value in wanted
            return general(this, context)

    else:

        def truth(this: Any, context: Context) -> bool | None:
            if type(this) is not dict:
                return general(this, context)
            for name, wanted in tests:
                value = this.get(name)
                if type(value) is not str:
                    return general(this, context)
                if value not in wanted:
                    return False
            return True

    return from_truth(truth).but(tests=tests)


def _equal_items(items: Items, others: Items) -> bool | None:
    if len(items) != len(others):
        return False
    results = [equal(content(one), content(other)) for one, other in zip(items, others, strict=True)]
    if False in results:
        return False
    return None if None in results else True


def _denied(code: Code) -> Code:
    plain = code.truth

    def truth(this: Any, context: Context) -> bool | None:
        value = plain(this, context)
        return None if value is None else not value

    return from_truth(truth)


def _not_equals(left: Code, right: Code) -> Code:
    if left.logical and right.logical:
        return _xor(left, right)
    return _denied(_equals(left, right))


def _equivalent(left: Code, right: Code) -> Code:
    one, other, items, others = left.one, right.one, left.many, right.many

    def truth(this: Any, context: Context) -> bool | None:
        first, second = one(this, context), other(this, context)
        if first is None or second is None:
            return first is None and second is None
        if first is SEVERAL or second is SEVERAL:
            mine = [content(item) for item in items(this, context)]
            return all_equivalent(mine, [content(item) for item in others(this, context)])
        return equivalent(first, second)

    return from_truth(truth)


def _not_equivalent(left: Code, right: Code) -> Code:
    return _denied(_equivalent(left, right))


def _ordered(symbol: str, accepts: Callable[[int], bool]) -> Build:
    def build(left: Code, right: Code) -> Code:
        one, other = singly(left.one, symbol), singly(right.one, symbol)

        def truth(this: Any, context: Context) -> bool | None:
            first = one(this, context)
            if first is None:
                return None
            second = other(this, context)
            if second is None:
                return None
            if type(first) is int and type(second) is int:
                return accepts((first > second) - (first < second))
            order = compare(first, second)
            return None if order is None else accepts(order)

        return from_truth(truth)

    return build


def _in(left: Code, right: Code) -> Code:
    one, others = left.one, right.many

    def truth(this: Any, context: Context) -> bool | None:
        value = one_value(one(this, context), "in")
        return None if value is None else _holds(others(this, context), value)

    return from_truth(truth)


def _contains(left: Code, right: Code) -> Code:
    return _in(right, left)


def _holds(items: Items, value: Any) -> bool:
    if type(value) is str and not looks_temporal(value):
        return any(content(item) == value for item in items)
    return any(equal(content(item), value) is True for item in items)


def _union(left: Code, right: Code) -> Code:
    one, other = left.many, right.many

    def many(this: Any, context: Context) -> Items:
        first, second = one(this, context), other(this, context)
        if not second and len(first) < 2:
            return first
        if not first and len(second) < 2:
            return second
        return unique([*first, *second])

    some, other_some = left.some, right.some
    return from_many(many).but(some=lambda this, context: some(this, context) or other_some(this, context))


def _arithmetic(symbol: str, work: Callable[[Any, Any], Any]) -> Build:
    def build(left: Code, right: Code) -> Code:
        one, other = singly(left.one, symbol), singly(right.one, symbol)

        def value(this: Any, context: Context) -> Any:
            first, second = one(this, context), other(this, context)
            return None if first is None or second is None else work(first, second)

        return from_one(value)

    return build


def _joined(left: Code, right: Code) -> Code:
    one, other = singly(left.one, "&"), singly(right.one, "&")
    return from_one(lambda this, context: arithmetic.join(one(this, context), other(this, context)))


def negative(operand: Code) -> Code:
    """Unary ``-``."""
    one = singly(operand.one, "-")

    def value(this: Any, context: Context) -> Any:
        number = one(this, context)
        return None if number is None else arithmetic.negated(number)

    made = from_one(value)
    known = operand.constant
    return (
        made.but(constant=arithmetic.opposite(known))
        if isinstance(known, int | Decimal) and not isinstance(known, bool)
        else made
    )


OPERATORS: Final[dict[str, Build]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
    "=": _equals,
    "!=": _not_equals,
    "~": _equivalent,
    "!~": _not_equivalent,
    "<": _ordered("<", lambda order: order < 0),
    "<=": _ordered("<=", lambda order: order <= 0),
    ">": _ordered(">", lambda order: order > 0),
    ">=": _ordered(">=", lambda order: order >= 0),
    "in": _in,
    "contains": _contains,
    "|": _union,
    "+": _arithmetic("+", arithmetic.plus),
    "-": _arithmetic("-", arithmetic.minus),
    "*": _arithmetic("*", arithmetic.times),
    "/": _arithmetic("/", arithmetic.divided),
    "div": _arithmetic("div", arithmetic.whole),
    "mod": _arithmetic("mod", arithmetic.rest),
    "&": _joined,
}
