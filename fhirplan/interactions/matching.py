"""Finds what a search describes, for the conditions of a write: ifNoneExist and conditional references."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

from fhirplan.catalog import spec
from fhirplan.errors import InvalidSearch
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.search import parsed_query
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction
from fhirplan.search import match
from fhirplan.search.query import Query
from fhirplan.store.engine import Transaction
from fhirplan.store.search_sql import search
from fhirplan.store.versions import Version

ENOUGH = 3
"""How many matches are looked for: one is right, and the first others tell what is wrong."""


def matches(services: Services, tx: Transaction, asked: Interaction, type_: str, text: str) -> list[Version]:
    """At most ENOUGH stored resources of a type that a search such as ``identifier=a|b`` finds.

    Raises InvalidSearch, also when the text holds no condition, since it would then match everything.
    """
    query = replace(_criteria(services, asked, type_, text), count=ENOUGH)
    return list(search(tx, asked.connection, query).versions)


def described(services: Services, asked: Interaction, type_: str, text: str, resource: Resource) -> bool:
    """Whether such a search describes a resource that is not stored yet."""
    query = _criteria(services, asked, type_, text)
    return match.matches(resource, query, spec(type_).parameters, asked.base)


def _criteria(services: Services, asked: Interaction, type_: str, text: str) -> Query:
    pairs = tuple(parse_qsl(text.removeprefix(f"{type_}?").removeprefix("?"), keep_blank_values=True))
    query = parsed_query(services, asked, type_, pairs)
    if len(query.conditions) < len(pairs) or not pairs:
        raise InvalidSearch(
            f"The condition {text[:80]!r} must say what to look for and nothing else, such as identifier=system|value."
        )
    return query
