"""Searches one type, several, or what belongs to a patient (R4 sections 3.1.0.9 and 3.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from fhirplan.access.decide import decide
from fhirplan.catalog import CATALOG, ResourceSpec, spec
from fhirplan.catalog.compartment import BESIDE, PATIENT, patient_parameters
from fhirplan.errors import Issue
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.outcomes import said
from fhirplan.interactions.provenance.provenances import search_provenance, with_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.shown import cut
from fhirplan.interactions.sight import Sight, owner, sight
from fhirplan.interactions.terminology import codes_of
from fhirplan.interactions.values import Interaction, Parameters, Reply
from fhirplan.search.context import Limits
from fhirplan.search.query import Compartment, Query, parse, parse_types
from fhirplan.search.results import Shown
from fhirplan.settings import Settings
from fhirplan.store.engine import Transaction
from fhirplan.store.search.searching import Found, search, search_types
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE

# What may stand in a query as it is (RFC 3986 section 3.4), but for what separates its parts.
_PLAIN: Final = "/:,$@!"


def search_type(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a searchset; its next link leads to the following page, stable while resources change.

    Raises InvalidSearch, naming what is wrong and what the type supports, and TooCostly.
    """
    query, found = _found(services, tx, interaction)
    return _answer(interaction, f"{interaction.base}/{interaction.type}", query, found)


def search_system(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """As ``search_type``, over the types that ``_type`` lists or all of them; they must all have the parameters.

    All of them are those that the caller may search. Raises besides NotPermitted for a listed one that is not.
    """
    return _several(services, tx, interaction, interaction.base, CATALOG)


def search_compartment(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """As ``search_type``, of what belongs to the patient ``interaction.id``: ``Patient/[id]/[type]``.

    Without a type (``Patient/[id]/*``) as ``search_system``, over the types that belong to patients. Raises besides
    NotSupported for a type that does not.
    """
    if not interaction.type:
        types = {name: made for name, made in CATALOG.items() if name in PATIENT or name in BESIDE}
        return _several(services, tx, interaction, f"{interaction.base}/Patient/{interaction.id}/*", types)
    within = Compartment("Patient", interaction.id, patient_parameters(interaction.type))
    query, found = _found(services, tx, interaction, within)
    own = f"{interaction.base}/Patient/{interaction.id}/{interaction.type}"
    return _answer(interaction, own, query, found)


def _several(
    services: Services, tx: Transaction, interaction: Interaction, own: str, types: Mapping[str, ResourceSpec]
) -> Reply:
    """The answer to a search over several types, in a patient's compartment where the interaction names one."""
    eyes = sight(services, tx, interaction, "s")
    searched = _searchable(services, interaction, types, eyes)
    listed = [item for name, text in interaction.parameters if name == "_type" for item in text.split(",")]
    mixed = PROVENANCE in (listed or searched)
    pairs, cursor = _without_page(interaction.parameters) if mixed else (interaction.parameters, None)
    queries = parse_types(
        searched,
        pairs,
        limits=_limits(services.settings),
        base=interaction.base,
        codes=codes_of(services.validator),
        lenient=interaction.lenient,
        owner=owner(interaction),
        compartment=_compartment(interaction) if interaction.id else None,
        known=CATALOG,
    )
    if not queries:
        # The caller may search something, but none of these types.
        return Reply(200, searchset(interaction.base, (), [("self", _link(own, interaction.parameters))]))
    asked = [with_made(tx, interaction, item, eyes) for item in queries]
    if mixed:
        found = search_provenance(tx, interaction, asked, cursor, eyes)
    else:
        found = search_types(tx, interaction.connection, asked, allowed=eyes)
    return _answer(interaction, own, queries[0], found)


def _compartment(interaction: Interaction) -> Callable[[str], Compartment]:
    return lambda type_: Compartment("Patient", interaction.id, patient_parameters(type_))


def _found(
    services: Services, tx: Transaction, interaction: Interaction, within: Compartment | None = None
) -> tuple[Query, Found]:
    eyes = sight(services, tx, interaction, "s")
    pairs, cursor = interaction.parameters, None
    if interaction.type == PROVENANCE:
        pairs, cursor = _without_page(pairs)
    query = parsed_query(
        services, interaction, interaction.type, pairs, lenient=interaction.lenient, compartment=within
    )
    asked = with_made(tx, interaction, query, eyes)
    if interaction.type == PROVENANCE:
        return query, search_provenance(tx, interaction, (asked,), cursor, eyes)
    return query, search(tx, interaction.connection, asked, allowed=eyes)


def _without_page(pairs: Parameters) -> tuple[Parameters, str | None]:
    """The pages of a search with Provenance go on in two places, so that their cursor is another one."""
    cursor = next((text for name, text in pairs if name == "_page"), None)
    return tuple(pair for pair in pairs if pair[0] != "_page"), cursor


def parsed_query(
    services: Services,
    interaction: Interaction,
    type_: str,
    pairs: Parameters,
    *,
    lenient: bool = False,
    compartment: Compartment | None = None,
) -> Query:
    """The query that these parameters of a type spell, within the limits of the settings; raises InvalidSearch."""
    return parse(
        type_,
        spec(type_).parameters,
        pairs,
        limits=_limits(services.settings),
        base=interaction.base,
        types=CATALOG,
        codes=codes_of(services.validator),
        lenient=lenient,
        compartment=compartment,
        owner=owner(interaction),
    )


def _searchable(
    services: Services, interaction: Interaction, types: Mapping[str, ResourceSpec], eyes: Sight | None
) -> Mapping[str, ResourceSpec]:
    """Those of the types that the caller may search."""
    if eyes is None:
        return types
    for name, text in interaction.parameters:
        for type_ in text.split(",") if name == "_type" else ():
            if type_ in types:
                decide(interaction.actor, "search-type", type_, services.settings.auth)
    return {type_: made for type_, made in types.items() if eyes.limits(type_)}


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.default_count,
        settings.max_count,
        settings.max_search_values,
        settings.max_chain,
        settings.max_included,
    )


def _answer(interaction: Interaction, own: str, query: Query, found: Found) -> Reply:
    links = [("self", _link(own, _used(interaction.parameters, query)))]
    if found.next_cursor is not None:
        links.append(("next", _link(own, (*query.pairs, ("_page", found.next_cursor)))))
    issues = _issues(query, found)
    matches, included = found.versions, found.included
    return Reply(
        200,
        searchset(
            interaction.base,
            _bodies(matches, query.shown, included=False),
            links,
            found.total,
            included=_bodies(included, query.shown, included=True) if included else (),
            outcome=said(issues) if issues else b"",
        ),
    )


def _used(given: Parameters, query: Query) -> Parameters:
    """The parameters that were used, as they were given."""
    if not query.ignored:
        return given
    return (*query.pairs, *(pair for pair in given if pair[0] == "_page"))


def _issues(query: Query, found: Found) -> Sequence[Issue]:
    """What the caller is to know about the search itself."""
    issues = [
        Issue("warning", "not-supported", f"{error.text} It was passed over, so more is found than was asked for.")
        for error in query.ignored
    ]
    if found.cut:
        text = (
            f"More than {query.max_included} resources belong to this page; only so many were added. Ask for a smaller "
            "page with _count, or for fewer includes."
        )
        issues.append(Issue("warning", "incomplete", text))
    return issues


def _bodies(versions: Iterable[Version], shown: Shown, *, included: bool) -> Iterator[tuple[str, str, bytes]]:
    """The resources as they are stored, or what is to be shown of them; ``_elements`` is about matches only."""
    made = cut(shown, elements=not included)
    for item in versions:
        body = item.body or b""
        yield item.type, item.id, body if made is None else dumps(made(item.resource()))


def _link(own: str, pairs: Parameters) -> str:
    return f"{own}?{'&'.join([f'{_quoted(name)}={_quoted(text)}' for name, text in pairs])}" if pairs else own


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote(text, _PLAIN)
