"""What may be claimed of search, derived from the catalog: includes, modifiers, result parameters."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.search.definitions import RESULTS, SPECIAL, SearchParameter, modifiers

__all__ = ["MOST_USED", "RESULTS", "SPECIAL", "includes", "modifiers_of", "revincludes"]

# What a caller of the API may add to any search, each with a word on it.
MOST_USED: Final = {
    "_content": "words in any text of the resource",
    "_contained": "false only: contained resources are not found on their own",
    "_count": "resources on a page",
    "_elements": "elements of the root to show; what must not be left out is shown too",
    "_filter": "comparisons joined by and, or, not and brackets",
    "_has": "by stored resources that refer to this one",
    "_include": "adds what the matches refer to; :iterate goes on from there",
    "_list": "the members of a List, by its id",
    "_page": "the next page, as its link names it",
    "_revinclude": "adds what refers to the matches; :iterate goes on from there; the Provenance of each version comes "
    "where Provenance is named",
    "_sort": "any parameter, of Provenance recorded or _lastUpdated, with a hyphen for descending; what has no value "
    "comes last",
    "_summary": "true, text, data, count or false",
    "_text": "words in the narrative",
    "_total": "accurate, estimate (exact for few matches) or none",
}


def includes(spec: ResourceSpec) -> tuple[str, ...]:
    """The ``_include`` of a type: each reference it is searched by, and all of them."""
    return ("*", *(f"{spec.type}:{item.code}" for item in spec.search if item.type == "reference"))


def revincludes(type: str) -> tuple[str, ...]:
    """The ``_revinclude`` of a type: each reference of any type that can lead to it, and all of them."""
    return (
        "*",
        *(
            f"{spec.type}:{item.code}"
            for spec in CATALOG.values()
            for item in spec.search
            if item.type == "reference" and type in (item.targets or (type,))
        ),
    )


def modifiers_of(parameter: SearchParameter) -> tuple[str, ...]:
    """The modifiers that a parameter takes, with a colon; a reference takes besides the types it may point to."""
    types = parameter.targets if parameter.type == "reference" else ()
    return tuple(f":{item}" for item in (*modifiers(parameter), *types))
