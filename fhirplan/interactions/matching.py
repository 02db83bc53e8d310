"""Finds what a search describes, for the conditions of a write: in its query, ifNoneExist, conditional references."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from urllib.parse import parse_qsl

from fhirplan.access.decide import decide
from fhirplan.catalog import spec
from fhirplan.errors import InvalidSearch, MultipleMatches
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.search import parsed_query
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction, Parameters
from fhirplan.search import match
from fhirplan.search.query import Query
from fhirplan.store.engine import Transaction
from fhirplan.store.search.searching import search
from fhirplan.store.versions import Version

ENOUGH = 3
"""How many matches are looked for: one is right, and the first others tell what is wrong."""


def hold(services: Services, tx: Transaction, asked: Iterable[Interaction]) -> None:
    """Waits until no other write is under way that depends on the same conditions as these creates and updates.

    Of several that find nothing, so one creates it and the others find that. Writes without a condition, or with
    another one, go on meanwhile. Raises InvalidSearch.
    """
    if tx.dialect == "sqlite":
        return
    for what in sorted({_meaning(services, item) for item in asked}):
        tx.alone(what)


def _meaning(services: Services, asked: Interaction) -> str:
    """The same for two conditions that ask for the same, however they are spelled; nobody can read a value in it."""
    pairs = _pairs(asked.type, asked.if_none_exist) if asked.kind == "create" else asked.parameters
    conditions = sorted(repr(item) for item in _criteria(services, asked, asked.type, pairs).conditions)
    digest = hashlib.sha256("\n".join(conditions).encode()).hexdigest()
    return f"{asked.connection}/{asked.type}/{digest}"


def matches(services: Services, tx: Transaction, asked: Interaction, type_: str, text: str) -> list[Version]:
    """At most ENOUGH stored resources of a type that a search such as ``identifier=a|b`` finds.

    Raises InvalidSearch, also when the text holds no condition, since it would then match everything.
    """
    query = replace(_criteria(services, asked, type_, _pairs(type_, text)), count=ENOUGH)
    return list(search(tx, asked.connection, query, allowed=_searched(services, tx, asked, type_)).versions)


def chosen(services: Services, tx: Transaction, asked: Interaction, gone: Collection[str] = ()) -> Version | None:
    """The one resource that the query of a conditional update, patch or delete describes, or None.

    What is ``gone`` (as type/id) does not count. Raises InvalidSearch, MultipleMatches.
    """
    query = replace(_criteria(services, asked, asked.type, asked.parameters), count=ENOUGH + len(gone))
    found = search(tx, asked.connection, query, allowed=_searched(services, tx, asked, asked.type)).versions
    left = [item for item in found if f"{item.type}/{item.id}" not in gone]
    if len(left) > 1:
        raise MultipleMatches(
            f"The condition matches more than one {asked.type}, among them {left[0].type}/{left[0].id} and "
            f"{left[1].type}/{left[1].id}, and nothing was changed. Make it narrower, for example by identifier."
        )
    return left[0] if left else None


def _searched(services: Services, tx: Transaction, asked: Interaction, type_: str) -> Sight | None:
    """What a condition may find: only what its caller may search. Raises NotPermitted."""
    eyes = sight(services, tx, asked, "s")
    if eyes is not None:
        decide(asked.actor, "search-type", type_, services.settings.auth)
    return eyes


def described(services: Services, asked: Interaction, type_: str, text: str, resource: Resource) -> bool:
    """Whether such a search describes a resource that is not stored yet."""
    query = _criteria(services, asked, type_, _pairs(type_, text))
    return match.matches(resource, query, spec(type_).parameters, asked.base)


def _pairs(type_: str, text: str) -> Parameters:
    return tuple(parse_qsl(text.removeprefix(f"{type_}?").removeprefix("?"), keep_blank_values=True))


def _criteria(services: Services, asked: Interaction, type_: str, pairs: Parameters) -> Query:
    query = parsed_query(services, asked, type_, pairs)
    if len(query.conditions) < len(pairs) or not pairs:
        raise InvalidSearch(
            "A condition must say what to look for and nothing else, such as identifier=system|value; this one has "
            f"{', '.join(name[:40] for name, _ in pairs[:5]) or 'nothing'}."
        )
    return query
