"""Narrows what a search asks to resources that its caller may see, wherever the search leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Has, Negation, ReferenceValue, Some
from fhirplan.search.query import Query

Allowed = Callable[[str], Criterion | None]
"""What a resource of a type must fulfil to be seen; None where all may be seen, ``NONE`` where none may."""

NONE: Final = Some(())


def restricted(query: Query, allowed: Allowed) -> Query:
    """The query on the resources that may be seen, as if there were no others: also at the end of each chain."""
    conditions = [followed(item, allowed) for item in query.conditions]
    own = allowed(query.type)
    if own is not None:
        conditions += [item for item in parts(own) if not any(_says(given, item) for given in conditions)]
    # An estimate is made from how resources lie among all others, seen or not.
    return replace(query, conditions=tuple(conditions), total="accurate" if query.total else "")


def followed(criterion: Criterion, allowed: Allowed) -> Criterion:
    """The criterion, its chains leading only to resources that may be seen."""
    match criterion:
        case Chain(parameter, type, inner):
            return Chain(parameter, type, _beside(followed(inner, allowed), allowed(type)))
        case Has(type, parameter, inner):
            return Has(type, parameter, _beside(followed(inner, allowed), allowed(type)))
        case Every(listed):
            return Every(tuple(followed(item, allowed) for item in listed))
        case Some(listed):
            return Some(tuple(followed(item, allowed) for item in listed))
        case Negation(part):
            return Negation(followed(part, allowed))
        case _:
            return criterion


def parts(criterion: Criterion) -> Sequence[Criterion]:
    """The criteria that must all hold."""
    if isinstance(criterion, Every):
        return [item for part in criterion.parts for item in parts(part)]
    return [criterion]


def either(listed: Sequence[Criterion]) -> Criterion:
    """That one of them holds."""
    return listed[0] if len(listed) == 1 else Some(tuple(listed))


def both(listed: Sequence[Criterion]) -> Criterion:
    """That all of them hold."""
    if NONE in listed:
        return NONE
    return listed[0] if len(listed) == 1 else Every(tuple(listed))


def _beside(inner: Criterion, own: Criterion | None) -> Criterion:
    if own is None:
        return inner
    return NONE if own == NONE else Every((inner, *parts(own)))


def _says(given: Criterion, wanted: Criterion) -> bool:
    """Whether a condition of the search says already what its caller is limited to, so that it is asked once.

    A search by patient is read along one index then, as that of a caller without limits is.
    """
    if given == wanted:
        return True
    if not (isinstance(given, Condition) and isinstance(wanted, Condition)):
        return False
    if given.parameter is not wanted.parameter or given.negated or wanted.negated:
        return False
    if given.parameter.code != "patient":
        return set(given.values) <= set(wanted.values)
    # The rows of a parameter named patient point to nothing but patients, so the type may be left out.
    return set(map(_patient, given.values)) <= set(map(_patient, wanted.values))


def _patient(value: object) -> object:
    return ReferenceValue("Patient", value.id) if isinstance(value, ReferenceValue) and value.type is None else value
