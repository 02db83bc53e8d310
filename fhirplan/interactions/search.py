"""Searches one type (R4 sections 3.1.0.9 and 3.1.1)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fhirplan.catalog import spec
from fhirplan.fhir.bundle import searchset
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Parameters, Reply
from fhirplan.search.query import Limits, Query, parse
from fhirplan.settings import Settings
from fhirplan.store.engine import Transaction
from fhirplan.store.search_sql import search

# What may stand in a query as it is (RFC 3986 section 3.4), but for what separates its parts.
_PLAIN: Final = "/:,$@!"


def search_type(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a searchset; its next link leads to the following page, stable while resources change.

    Raises InvalidSearch, naming what is wrong and what the type supports, and TooCostly.
    """
    query = parsed_query(services, interaction, interaction.type, interaction.parameters)
    found = search(tx, interaction.connection, query)
    own = f"{interaction.base}/{interaction.type}"
    links = [("self", _link(own, interaction.parameters))]
    if found.next_cursor is not None:
        links.append(("next", _link(own, (*query.pairs, ("_page", found.next_cursor)))))
    bodies = ((item.type, item.id, item.body or b"") for item in found.versions)
    return Reply(200, searchset(interaction.base, bodies, links, found.total))


def parsed_query(services: Services, interaction: Interaction, type_: str, pairs: Parameters) -> Query:
    """The query that these parameters of a type spell, within the limits of the settings; raises InvalidSearch."""
    return parse(type_, spec(type_).parameters, pairs, limits=_limits(services.settings), base=interaction.base)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.default_count, settings.max_count, settings.max_search_values)


def _link(own: str, pairs: Parameters) -> str:
    return f"{own}?{'&'.join(f'{quote(name, _PLAIN)}={quote(text, _PLAIN)}' for name, text in pairs)}" if pairs else own
