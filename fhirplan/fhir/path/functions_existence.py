"""Functions that ask about a collection: exists, all, count, isDistinct … (FHIRPath N1 section 5.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir.path.code import Code, from_many, from_one, from_truth, truth_of
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import key, unique
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.functions_filtering import where
from fhirplan.fhir.path.nodes import Items

LOOP: Final = 16  # shorter collections are not counted against the bound of an evaluation


def _empty(target: Code, _: tuple[Code, ...]) -> Code:
    some = target.some
    return from_truth(lambda this, context: not some(this, context))


def _exists(target: Code, arguments: tuple[Code, ...]) -> Code:
    some = where(target, arguments).some if arguments else target.some
    return from_truth(lambda this, context: some(this, context))


def _not(target: Code, _: tuple[Code, ...]) -> Code:
    plain = target.truth

    def truth(this: Any, context: Context) -> bool | None:
        value = plain(this, context)
        return None if value is None else not value

    return from_truth(truth)


def _all(target: Code, arguments: tuple[Code, ...]) -> Code:
    many, criterion = target.many, arguments[0]
    holds = criterion.truth
    if criterion.indexed:
        return from_truth(
            lambda this, context: all(
                holds(item, context.at(at, context.total)) for at, item in enumerate(many(this, context))
            )
        )

    def truth(this: Any, context: Context) -> bool | None:
        items = many(this, context)
        if len(items) > LOOP:
            context.spend(len(items))
        for item in items:  # noqa: SIM110 - a generator costs more than the criterion
            if not holds(item, context):
                return False
        return True

    return from_truth(truth)


def _each(accepts: Callable[[list[bool | None]], bool]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        many = target.many
        return from_truth(lambda this, context: accepts([truth_of([item]) for item in many(this, context)]))

    return build


def _count(target: Code, _: tuple[Code, ...]) -> Code:
    many = target.many
    return from_one(lambda this, context: len(many(this, context)))


def _keys(items: Items) -> set[Any]:
    return {key(item) for item in items}


def _subset(target: Code, arguments: tuple[Code, ...]) -> Code:
    many, other = target.many, arguments[0].many
    return from_truth(lambda this, context: _keys(many(this, context)) <= _keys(other(this, context)))


def _superset(target: Code, arguments: tuple[Code, ...]) -> Code:
    many, other = target.many, arguments[0].many
    return from_truth(lambda this, context: _keys(many(this, context)) >= _keys(other(this, context)))


def _distinct(target: Code, _: tuple[Code, ...]) -> Code:
    many = target.many
    return from_many(lambda this, context: unique(many(this, context))).but(some=target.some)


def _is_distinct(target: Code, _: tuple[Code, ...]) -> Code:
    many = target.many

    def truth(this: Any, context: Context) -> bool | None:
        items = many(this, context)
        return len(items) < 2 or len(_keys(items)) == len(items)

    return from_truth(truth)


FUNCTIONS: Final[Table] = {
    "empty": Function(_empty),
    "exists": Function(_exists, 0, 1),
    "not": Function(_not),
    "all": Function(_all, 1, 1),
    "allTrue": Function(_each(lambda flags: all(flag is True for flag in flags))),
    "anyTrue": Function(_each(lambda flags: any(flag is True for flag in flags))),
    "allFalse": Function(_each(lambda flags: all(flag is False for flag in flags))),
    "anyFalse": Function(_each(lambda flags: any(flag is False for flag in flags))),
    "count": Function(_count),
    "subsetOf": Function(_subset, 1, 1),
    "supersetOf": Function(_superset, 1, 1),
    "distinct": Function(_distinct),
    "isDistinct": Function(_is_distinct),
}
