"""The templates and questionnaires that come with the server and its packages, by id and by canonical."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from fhirplan.catalog.spec import R4, SearchParameter
from fhirplan.errors import InvalidSearch
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Parameters
from fhirplan.validation.definitions import Definitions

_NAMES: Final = {
    "url": ("uri", "its canonical"),
    "version": ("token", "its version"),
    "name": ("string", "the beginning of its name for computers"),
    "title": ("string", "the beginning of its title"),
    "status": ("token", "draft, active, retired or unknown"),
}


def search_parameters(type_: str) -> tuple[SearchParameter, ...]:
    """What a type of definition is searched by."""
    return tuple(
        SearchParameter(name, kind, f"{type_}.{name}", (), said, f"{R4}{type_}-{name}")  # type: ignore[arg-type]
        for name, (kind, said) in _NAMES.items()
    )


def shipped(services: Services, type_: str) -> Mapping[str, Resource]:
    """The definitions of a type by id, in the order of their titles; of one canonical the newest version."""
    return _by_id(services.validator.definitions, type_)


@lru_cache(maxsize=16)
def _by_id(definitions: Definitions, type_: str) -> Mapping[str, Resource]:
    found = (definitions.find(type_, url) for url in definitions.all(type_))
    known = [item for item in found if item is not None and item.get("id")]
    return {str(item["id"]): item for item in sorted(known, key=lambda item: str(item.get("title") or item["id"]))}


def by_canonical(services: Services, type_: str, canonical: str) -> Resource | None:
    """The definition of a canonical (``url`` or ``url|version``), or None."""
    return services.validator.definitions.find(type_, canonical)


def matching(services: Services, type_: str, given: Parameters) -> Iterator[tuple[str, Resource]]:
    """The ids and definitions that all of the conditions describe; raises InvalidSearch for an unknown one."""
    for name, _ in given:
        if name not in (*_NAMES, "_id"):
            raise InvalidSearch(
                f"A {type_} is searched by {', '.join(('_id', *_NAMES))}; this asks for {name[:40]!r}.", expression=name
            )
    for id_, item in shipped(services, type_).items():
        if all(_fits(item, "id" if name == "_id" else name, text.split(",")) for name, text in given):
            yield id_, item


def _fits(item: dict[str, Any], name: str, wanted: list[str]) -> bool:
    found = str(item.get(name) or "")
    if name in ("name", "title"):
        return any(found.casefold().startswith(text.casefold()) for text in wanted)
    return found in wanted
