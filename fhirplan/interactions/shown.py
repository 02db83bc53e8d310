"""Shows part of a resource where _summary or _elements asks for it (R4 sections 3.1.0.1.1, 3.1.1.5.8 and 3.1.1.5.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.catalog import CATALOG
from fhirplan.errors import MalformedRequest
from fhirplan.fhir import subset
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.interactions.values import Interaction
from fhirplan.search.results import Shown, shown_of
from fhirplan.store.versions import Version

SHOWN: Final = ("_summary", "_elements")
_CUT: Final[dict[str, Callable[[Any], Resource]]] = {
    "true": subset.summary,
    "text": subset.text,
    "data": subset.data,
}


def cut(shown: Shown, *, elements: bool = True) -> Callable[[Resource], Resource] | None:
    """What makes of a resource the part that is to be shown, None where all of it is; without ``elements`` these do
    not count."""
    made = _CUT.get(shown.summary)
    if made is None and shown.elements and elements:
        return lambda resource: subset.elements(resource, shown.elements)
    return made


def asked(interaction: Interaction, *types: str) -> Shown:
    """What a request that is no search asks to be shown of each resource, of these ``types`` or those of its address.

    Raises MalformedRequest for a parameter that is given twice or only counts, InvalidSearch for what is not offered.
    """
    given: dict[str, str] = {}
    for name, text in interaction.parameters:
        if name in SHOWN and name in given:
            raise MalformedRequest(f"{name} is given twice. Give it once.", expression=f"http.{name}")
        given[name] = text
    if given.get("_summary") == "count":
        raise MalformedRequest("_summary=count counts what a search finds.", expression="http._summary")
    return shown_of(given, types or ((interaction.type,) if interaction.type else tuple(CATALOG)))


def part(version: Version, shown: Shown) -> bytes:
    """The JSON of a version, or of the part of it that is to be shown; b"" of a deletion."""
    made = cut(shown)
    return (version.body or b"") if made is None or version.body is None else dumps(made(version.resource()))
