"""Finds the values of a resource that a search can ask for, as (parameter, value) rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, Resource
from fhirplan.sandbox import instants
from fhirplan.sandbox.definitions import TYPES, Parameter

SEPARATOR: Final = "\x1f"
"""Stands between system and code in a row; no code or URI can hold it."""


def rows(resource: Resource) -> set[tuple[str, str]]:
    """Every (parameter code, value) of a resource, once each; an element of the wrong shape has none."""
    return {
        (parameter.code, value)
        for parameter in TYPES[resource["resourceType"]].values()
        for element in _elements(resource, parameter.path)
        for value in _values(parameter, element)
    }


def _elements(value: Json, path: tuple[str, ...]) -> Iterator[Json]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _elements(value[path[0]], path[1:])


def _values(parameter: Parameter, element: Json) -> Iterator[str]:
    if parameter.kind == "date":
        yield from _dates(element)
        return
    if parameter.kind == "code":
        if isinstance(element, bool):
            yield "true" if element else "false"
        elif isinstance(element, str):
            yield element
    elif isinstance(element, dict):
        yield from _target(parameter, element) if parameter.kind == "reference" else _tokens(element)


def _dates(element: Json) -> Iterator[str]:
    """The span of a date or Period, an open end being for ever; what is no date has none (R4 section 3.1.1.4.7)."""
    period = element if isinstance(element, dict) else {"start": element, "end": element}
    start, end = period.get("start"), period.get("end")
    try:
        first = instants.span(start)[0] if isinstance(start, str) else instants.EARLIEST
        last = instants.span(end)[1] if isinstance(end, str) else instants.LATEST
    except ValueError:
        return
    if isinstance(start, str) or isinstance(end, str):
        yield f"{instants.sortable(first)}{SEPARATOR}{instants.sortable(last)}"


def _target(parameter: Parameter, element: dict[str, Json]) -> Iterator[str]:
    found = reference.parse(element.get("reference"))
    if found and (not parameter.targets or found.type in parameter.targets):
        yield f"{found.server}/{found.local}" if found.server else found.local


def _tokens(element: dict[str, Json]) -> Iterator[str]:
    """The spellings by which a Coding, CodeableConcept or Identifier can be asked for (R4 section 3.1.1.4.10)."""
    codings = element.get("coding")
    for item in codings if isinstance(codings, list) else [element]:
        if not isinstance(item, dict):
            continue
        code = item.get("code", item.get("value"))
        system = item.get("system", "")
        if isinstance(code, str) and isinstance(system, str):
            yield code
            yield f"{system}{SEPARATOR}{code}"
            if system:
                yield f"{system}{SEPARATOR}"
