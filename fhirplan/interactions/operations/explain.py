"""Explains a search: how it was understood, how the database reads it, why a resource does or does not match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from fhirplan.catalog import CATALOG, spec
from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.fhir.reference import parse
from fhirplan.interactions.search import parsed_query
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import sight
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.search import match, wording
from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Missing, Negation, Some, TokenValue, leads_on
from fhirplan.search.definitions import ID, LAST_UPDATED
from fhirplan.search.query import Query
from fhirplan.search.values import extractor
from fhirplan.search.words import Words, has_words
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import current, is_made
from fhirplan.store.search.plan import looked_up
from fhirplan.store.search.searching import explain as steps_of
from fhirplan.store.search.searching import search
from fhirplan.store.versions import Version

RESOURCE: Final = "resource"
# More values say no more about why a resource is found.
_MOST_ROWS: Final = 20


def explain(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with Parameters: ``query``, ``plan``, and ``match`` where ``resource`` names one.

    Raises InvalidSearch and TooCostly as the search does, MalformedRequest for a ``resource`` that is none, NotFound.
    """
    pairs = tuple(pair for pair in interaction.parameters if pair[0] != RESOURCE)
    named = [text for name, text in interaction.parameters if name == RESOURCE]
    query = parsed_query(services, interaction, interaction.type, pairs, lenient=interaction.lenient)
    told = [_part("query", _understood(query))]
    told += [_text("plan", step) for step in steps_of(tx, interaction.connection, query)]
    if named:
        told.append(_part("match", _matched(tx, interaction, query, _resource(services, tx, interaction, named))))
    return Reply(200, dumps({"resourceType": "Parameters", "parameter": told}))


def _resource(services: Services, tx: Transaction, interaction: Interaction, named: Sequence[str]) -> Version:
    """The resource that is named, which an administrator sees as their token lets them."""
    found = parse(named[0])
    if len(named) > 1 or found is None or not found.id or found.type != interaction.type:
        raise MalformedRequest(
            f"resource is one {interaction.type}, such as {interaction.type}/a1.", expression=f"http.{RESOURCE}"
        )
    version = current(tx, interaction.connection, found.type, found.id)
    eyes = sight(services, tx, interaction, "r")
    if version is None or version.deleted or (eyes is not None and not eyes.sees(version)):
        raise NotFound(f"There is no {found.type}/{found.id} here, so no search finds it.")
    return version


def _understood(query: Query) -> Iterator[dict[str, Any]]:
    yield _text("type", query.type)
    for item in query.conditions:
        yield _text("criterion", wording.criterion(item))
    for words in query.words:
        yield _text("criterion", _words(words))
    yield _text("order", wording.order(query.sort))
    yield {"name": "count", "valueInteger": query.count}
    if query.total:
        yield _text("total", query.total)
    for include in query.includes:
        yield _text("adds", wording.include(include))
    for error in query.ignored:
        yield _text("ignored", error.text)


def _matched(tx: Transaction, interaction: Interaction, query: Query, version: Version) -> Iterator[dict[str, Any]]:
    resource = version.resource()
    verdicts = [(item, _fulfils(tx, interaction, query, item, version)) for item in query.conditions]
    worded = [(item, has_words(resource, item)) for item in query.words]
    yield _text(RESOURCE, f"{version.type}/{version.id}/_history/{version.version}")
    yield {"name": "matches", "valueBoolean": all(yes for _, yes in (*verdicts, *worded))}
    rows = extractor(spec(query.type).parameters, interaction.base)(resource)
    for criterion, fulfilled in verdicts:
        codes = set(_codes(criterion))
        has = sorted(f"{row[0]}: {wording.row(row)}" for row in rows if row[0] in codes)
        yield _part(
            "criterion",
            (
                _text("asks", wording.criterion(criterion)),
                {"name": "fulfilled", "valueBoolean": fulfilled},
                *(_text("has", text) for text in (*_own(resource, codes), *has)[:_MOST_ROWS]),
            ),
        )
    for words, fulfilled in worded:
        yield _part("criterion", (_text("asks", _words(words)), {"name": "fulfilled", "valueBoolean": fulfilled}))


def _fulfils(tx: Transaction, interaction: Interaction, query: Query, criterion: Criterion, version: Version) -> bool:
    """Whether the resource fulfils a criterion: judged from itself, or by the database where it leads to others."""
    if not leads_on(criterion):
        only = replace(query, conditions=(criterion,), words=())
        return match.matches(version.resource(), only, spec(query.type).parameters, interaction.base)
    if is_made(version.type, version.id):
        near = looked_up(tx, interaction.connection, query.type, criterion, CATALOG)
        only = replace(query, conditions=(near,), words=())
        return match.matches(version.resource(), only, spec(query.type).parameters, interaction.base)
    this = Condition(ID, (TokenValue(None, version.id),))
    alone = replace(query, conditions=(criterion, this), words=(), sort=(), includes=(), count=1, after=None, total="")
    return bool(search(tx, interaction.connection, alone).versions)


def _codes(criterion: Criterion) -> Iterator[str]:
    match criterion:
        case Condition(parameter) | Missing(parameter) | Chain(parameter):
            yield parameter.code
        case Every(parts) | Some(parts):
            for part in parts:
                yield from _codes(part)
        case Negation(part):
            yield from _codes(part)


def _own(resource: Resource, codes: set[str]) -> Iterator[str]:
    """What is asked of the resource itself and has no rows."""
    if ID.code in codes:
        yield f"{ID.code}: {resource['id']}"
    if LAST_UPDATED.code in codes:
        yield f"{LAST_UPDATED.code}: {resource['meta']['lastUpdated']}"


def _words(asked: Words) -> str:
    return f"{asked.where}: has the words {' or '.join(' '.join(sorted(item)) for item in asked.any_of)}"


def _text(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "valueString": text}


def _part(name: str, parts: Any) -> dict[str, Any]:
    return {"name": name, "part": list(parts)}
