"""Says whether one resource fulfils a search, from the resources alone: slow, obvious, and the test of the database.

``_lastUpdated`` is asked of ``meta.lastUpdated``. Paging and counts are not its business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import Span, span
from fhirplan.fhir.resource import last_updated
from fhirplan.search.criteria import (
    Chain,
    Condition,
    Criterion,
    DateValue,
    Every,
    Has,
    Missing,
    Negation,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    Some,
    StringValue,
    TokenValue,
    UriValue,
    Value,
    kind,
)
from fhirplan.search.definitions import ID, LAST_UPDATED, Searchable, SearchParameter
from fhirplan.search.query import Query
from fhirplan.search.results import Include, SortKey
from fhirplan.search.values import Row, extractor
from fhirplan.search.words import has_words

_extractor = lru_cache(maxsize=256)(extractor)


@dataclass(frozen=True, slots=True)
class World:
    """All live resources, in the order they were first stored, and what their types are searched by.

    ``base`` is the url of our own FHIR endpoint.
    """

    resources: Sequence[Resource] = ()
    types: Mapping[str, Searchable] = field(default_factory=dict)
    base: str = ""

    def rows(self, resource: Resource) -> set[Row]:
        """The index rows of a resource."""
        found = self.types.get(resource["resourceType"])
        return _extractor(found.parameters, self.base)(resource) if found is not None else set()


@dataclass(frozen=True, slots=True)
class _OneType:
    parameters: tuple[SearchParameter, ...]


def matches(
    resource: Resource,
    query: Query,
    parameters: Sequence[SearchParameter],
    base: str = "",
    world: World | None = None,
) -> bool:
    """Whether the resource is of the query's type, fulfils all its conditions and has all its words.

    Without a ``world`` there are no other resources, so that no chain leads anywhere.
    """
    if resource.get("resourceType") != query.type:
        return False
    if world is None:
        named = {code for item in query.conditions for code in _codes(item)}
        world = World((), {query.type: _OneType(tuple(item for item in parameters if item.code in named))}, base)
    return all(fulfils(resource, item, world) for item in query.conditions) and all(
        has_words(resource, item) for item in query.words
    )


def fulfils_alone(
    resource: Resource, criterion: Criterion, parameters: Sequence[SearchParameter], base: str = ""
) -> bool:
    """Whether a resource fulfils a criterion on its own, as if there were no other; ``parameters`` are its type's."""
    named = _codes(criterion)
    asked = tuple(item for item in parameters if item.code in named)
    return fulfils(resource, criterion, World((), {resource["resourceType"]: _OneType(asked)}, base))


def _codes(criterion: Criterion) -> set[str]:
    """The resource's own parameters that a criterion asks for."""
    match criterion:
        case Condition(parameter) | Missing(parameter) | Chain(parameter):
            return {parameter.code}
        case Has():
            return set()
        case Every(parts) | Some(parts):
            return {code for part in parts for code in _codes(part)}
        case Negation(part):
            return _codes(part)


def fulfils(resource: Resource, criterion: Criterion, world: World) -> bool:
    """Whether the resource fulfils one criterion."""
    match criterion:
        case Condition():
            return _has_one(resource, criterion, world) is not criterion.negated
        case Missing(parameter, missing):
            return any(row[0] == parameter.code for row in world.rows(resource)) is not missing
        case Chain(parameter, type_, inner):
            ends = [item for item in world.resources if item["resourceType"] == type_]
            return any(_refers(resource, parameter, end, world) and fulfils(end, inner, world) for end in ends)
        case Has(type_, parameter, inner):
            sources = [item for item in world.resources if item["resourceType"] == type_]
            return any(_refers(item, parameter, resource, world) and fulfils(item, inner, world) for item in sources)
        case Every(parts):
            return all(fulfils(resource, part, world) for part in parts)
        case Some(parts):
            return any(fulfils(resource, part, world) for part in parts)
        case Negation(part):
            return not fulfils(resource, part, world)


def ordered(found: Sequence[Resource], query: Query, world: World) -> list[Resource]:
    """The matches, given in the order of storing, in the order of the query."""
    places = {id(item): place for place, item in enumerate(found)}
    made = list(found)
    if query.sort and query.sort[0].descending:
        made.sort(key=lambda item: -places[id(item)])
    for key in reversed(query.sort):
        values = {id(item): _key(item, key, world) for item in made}
        valued = [item for item in made if values[id(item)] is not None]
        valued.sort(key=lambda item: values[id(item)], reverse=key.descending)
        made = [*valued, *(item for item in made if values[id(item)] is None)]
    return made


def included(found: Sequence[Resource], query: Query, world: World) -> list[Resource]:
    """What the query's includes add to the matches, in the order of storing."""
    added: dict[int, Resource] = {}
    beside = {id(item): item for item in found}
    first, newest = True, list(found)
    while newest:
        following = [include for include in query.includes if first or include.iterate]
        wanted = [
            item
            for item in world.resources
            if id(item) not in added
            and id(item) not in beside
            and any(_adds(include, here, item, world) for include in following for here in newest)
        ]
        added.update((id(item), item) for item in wanted)
        first, newest = False, wanted
    return [item for item in world.resources if id(item) in added]


def _adds(include: Include, here: Resource, other: Resource, world: World) -> bool:
    """Whether an include leads from one resource to the other, or, in reverse, from the other to this one."""
    source, target = (other, here) if include.reverse else (here, other)
    if include.source not in ("*", source["resourceType"]) or include.target not in ("", target["resourceType"]):
        return False
    found = world.types[source["resourceType"]].parameters
    return any(
        item.type == "reference" and include.code in ("*", item.code) and _refers(source, item, target, world)
        for item in found
    )


def _refers(source: Resource, parameter: SearchParameter, target: Resource, world: World) -> bool:
    return (parameter.code, "reference", (target["resourceType"], target["id"])) in world.rows(source)


def _key(resource: Resource, key: SortKey, world: World) -> Any:
    if key.parameter is ID:
        return resource["id"]
    if key.parameter is LAST_UPDATED:
        moment = span(last_updated(resource))
        return moment.low if moment else None
    begin = 1 if key.parameter.type == "reference" else 0
    part = slice(begin, begin + key.width)
    values = [row[2][part] for row in world.rows(resource) if row[:2] == (key.parameter.code, key.parameter.type)]
    return (max(values) if key.descending else min(values)) if values else None


def _has_one(resource: Resource, condition: Condition, world: World) -> bool:
    """Whether one of the resource's values of the parameter matches one of the condition's."""
    parameter = condition.parameter
    if parameter is ID:
        return any(
            isinstance(v, TokenValue) and v.system in (None, "") and v.code == resource["id"] for v in condition.values
        )
    if parameter is LAST_UPDATED:
        moment = span(last_updated(resource))
        found: list[tuple[Any, ...]] = [(moment.low, moment.high, 0)] if moment else []
    else:
        found = [row[2] for row in world.rows(resource) if row[:2] == (parameter.code, kind(condition))]
    return any(_equals(value, row) for value in condition.values for row in found)


def _equals(value: Value, row: tuple[Any, ...]) -> bool:
    match value:
        case TokenValue(system, code):
            return (code is None or row[0] == code) and (system is None or row[1] == system)
        case ReferenceValue(type_, id_):
            return row[1] == id_ and (row[0] == type_ if type_ is not None else True)
        case UriValue(text, below):
            return bool(row[0] == text) or (below and str(row[0]).startswith(f"{text}/"))
        case StringValue(text, how):
            return _text(str(row[0]), text, how)
        case DateValue(prefix, wanted):
            return _date(prefix, wanted, Span(row[0], row[1]), period=bool(row[2]))
        case NumberValue():
            return _number(value, row[0], row[1])
        case QuantityValue(number, system, code):
            return _number(number, row[0], row[1]) and _unit(system, code, row)


def _text(found: str, text: str, how: str) -> bool:
    match how:
        case "begins":
            return found.startswith(text)
        case "contains":
            return text in found
        case "ends":
            return found.endswith(text)
        case _:
            return found == text


def _date(prefix: str, wanted: Span, found: Span, *, period: bool) -> bool:
    # A Period or Timing equals a time it overlaps; a date or time equals one that contains it (R4 section 3.1.1.4.5).
    equal = wanted.overlaps(found) if period else wanted.contains(found)
    match prefix:
        case "eq":
            return equal
        case "ne":
            return not equal
        case "gt":
            return found.high > wanted.high
        case "lt":
            return found.low < wanted.low
        case "ge":
            return equal or found.high > wanted.high
        case "le":
            return equal or found.low < wanted.low
        case "sa":
            return found.low >= wanted.high
        case "eb":
            return found.high <= wanted.low
        case _:
            return wanted.overlaps(found)


def _number(wanted: NumberValue, low: float, high: float) -> bool:
    # Only equality takes the digits into account; a comparison is with the number itself (R4 section 3.1.1.4.6).
    equal = wanted.low <= low and high < wanted.high
    match wanted.prefix:
        case "eq":
            return equal
        case "ne":
            return not equal
        case "gt":
            return high > wanted.exact
        case "lt":
            return low < wanted.exact
        case "ge":
            return high >= wanted.exact
        case "le":
            return low <= wanted.exact
        case "sa":
            return low > wanted.exact
        case "eb":
            return high < wanted.exact
        case _:
            return low <= wanted.high and high >= wanted.low


def _unit(system: str | None, code: str, row: tuple[Any, ...]) -> bool:
    if system is not None:
        return bool(row[2] == system) and code in ("", row[3])
    return code in ("", row[3], row[4])
