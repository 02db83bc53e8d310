"""Functions that take part of a collection or put two together (FHIRPath N1 sections 5.3 and 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir.path.code import Code, from_many, one_value
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import key, unique
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.nodes import SEVERAL, Items


def _part(take: Callable[[Items], Items]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        many = target.many
        return from_many(lambda this, context: take(many(this, context)))

    return build


def _first(target: Code, _: tuple[Code, ...]) -> Code:
    many = target.many
    return from_many(lambda this, context: many(this, context)[:1]).but(some=target.some)


def _single(items: Items) -> Items:
    if len(items) > 1:
        one_value(SEVERAL, "single()")
    return items


def _counted(take: Callable[[Items, int], Items]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        many, number = target.many, arguments[0].one

        def part(this: Any, context: Context) -> Items:
            count = number(this, context)
            if type(count) is not int:
                raise NotEvaluable("skip() and take() need one whole number.")
            return take(many(this, context), max(count, 0))

        return from_many(part)

    return build


def _paired(join: Callable[[Items, Items], Items]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        many, other = target.many, arguments[0].many

        def both(this: Any, context: Context) -> Items:
            made = join(many(this, context), other(this, context))
            context.spend(len(made))
            return made

        return from_many(both)

    return build


def _intersect(items: Items, others: Items) -> Items:
    wanted = {key(other) for other in others}
    return [item for item in unique(items) if key(item) in wanted] if wanted else []


def _exclude(items: Items, others: Items) -> Items:
    unwanted = {key(other) for other in others}
    return [item for item in items if key(item) not in unwanted]


FUNCTIONS: Final[Table] = {
    "first": Function(_first),
    "last": Function(_part(lambda items: items[-1:])),
    "tail": Function(_part(lambda items: items[1:])),
    "single": Function(_part(_single)),
    "skip": Function(_counted(lambda items, count: items[count:]), 1, 1),
    "take": Function(_counted(lambda items, count: items[:count]), 1, 1),
    "intersect": Function(_paired(_intersect), 1, 1),
    "exclude": Function(_paired(_exclude), 1, 1),
    "union": Function(_paired(lambda items, others: unique([*items, *others])), 1, 1),
    "combine": Function(_paired(lambda items, others: [*items, *others]), 1, 1, expands=True),
}
