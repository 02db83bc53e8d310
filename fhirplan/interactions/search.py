"""Searches one type, several, or what belongs to a patient (R4 sections 3.1.0.9 and 3.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from fhirplan.access.decide import decide
from fhirplan.catalog import CATALOG, ResourceSpec, spec
from fhirplan.catalog.compartment import patient_parameters
from fhirplan.errors import Issue
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.outcomes import said
from fhirplan.interactions.provenances import search_provenance
from fhirplan.interactions.services import Services
from fhirplan.interactions.shown import cut
from fhirplan.interactions.sight import Sight, owner, sight
from fhirplan.interactions.terminology import codes_of
from fhirplan.interactions.values import Interaction, Parameters, Reply
from fhirplan.search.query import Compartment, Limits, Query, Shown, parse, parse_types
from fhirplan.settings import Settings
from fhirplan.store.engine import Transaction
from fhirplan.store.search_sql import Found, search, search_types
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
    eyes = sight(services, tx, interaction, "s")
    queries = parse_types(
        _searchable(services, interaction, eyes),
        interaction.parameters,
        limits=_limits(services.settings),
        base=interaction.base,
        codes=codes_of(services.validator),
        lenient=interaction.lenient,
        owner=owner(interaction),
    )
    found = search_types(tx, interaction.connection, queries, allowed=eyes)
    return _answer(interaction, interaction.base, queries[0], found)


def search_compartment(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """As ``search_type``, of what belongs to the patient ``interaction.id``: ``Patient/[id]/[type]``.

    Raises besides NotSupported for a type that does not belong to patients.
    """
    within = Compartment("Patient", interaction.id, patient_parameters(interaction.type))
    query, found = _found(services, tx, interaction, within)
    own = f"{interaction.base}/Patient/{interaction.id}/{interaction.type}"
    return _answer(interaction, own, query, found)


def _found(
    services: Services, tx: Transaction, interaction: Interaction, within: Compartment | None = None
) -> tuple[Query, Found]:
    eyes = sight(services, tx, interaction, "s")
    pairs, cursor = interaction.parameters, None
    if interaction.type == PROVENANCE:
        # Its pages go on in two places, so that their cursor is another one.
        cursor = next((text for name, text in pairs if name == "_page"), None)
        pairs = tuple(pair for pair in pairs if pair[0] != "_page")
    query = parsed_query(
        services, interaction, interaction.type, pairs, lenient=interaction.lenient, compartment=within
    )
    if interaction.type == PROVENANCE:
        return query, search_provenance(tx, interaction, query, cursor, eyes)
    return query, search(tx, interaction.connection, query, allowed=eyes)


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


def _searchable(services: Services, interaction: Interaction, eyes: Sight | None) -> Mapping[str, ResourceSpec]:
    """The types that a search of the whole may be about."""
    if eyes is None:
        return CATALOG
    for name, text in interaction.parameters:
        for type_ in text.split(",") if name == "_type" else ():
            if type_ in CATALOG:
                decide(interaction.actor, "search-type", type_, services.settings.auth)
    return {type_: made for type_, made in CATALOG.items() if eyes.limits(type_)}


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
    if any(name.startswith("_has:Provenance:") for name, _ in query.pairs):
        text = "_has looks at Provenance that is stored, not at what each version tells of its writing."
        issues.append(Issue("information", "informational", text))
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
    return f"{own}?{'&'.join(f'{quote(name, _PLAIN)}={quote(text, _PLAIN)}' for name, text in pairs)}" if pairs else own
