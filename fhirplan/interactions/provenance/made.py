"""Finds the Provenances that are made of writes: by which table they are looked for, and which of them match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from typing import Final, Protocol

from fhirplan.catalog import CATALOG
from fhirplan.errors import TooCostly
from fhirplan.interactions.sight import Sight
from fhirplan.interactions.values import Interaction
from fhirplan.search import match
from fhirplan.search.criteria import (
    Condition,
    Criterion,
    DateValue,
    Every,
    Missing,
    ReferenceValue,
    Some,
    TokenValue,
    leads_on,
)
from fhirplan.search.definitions import ID, LAST_UPDATED
from fhirplan.search.query import Query
from fhirplan.search.restrict import followed
from fhirplan.store import writes
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import made, number_of
from fhirplan.store.search.plan import looked_up
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE, SLACK, Write

MOST_READ: Final = 5000
"""So many writes are looked at for one page, or one count."""
_AT_ONCE: Final = 200
_SPEC: Final = CATALOG[PROVENANCE]
_NARROWER: Final = "Narrow it by target, patient or recorded, or leave Provenance out with _type."
# What a Provenance that is made has values of; by anything else none is found.
_HELD: Final = frozenset({"_id", "_lastUpdated", "agent", "agent-type", "entity", "patient", "recorded", "target"})


class _Read(Protocol):
    """Reads the writes that come after a number."""

    def __call__(self, *, after: int | None, count: int, backwards: bool) -> list[Write]: ...


@dataclass(frozen=True, slots=True)
class Item:
    """One match; ``number`` is the place of a write, None for what is stored."""

    version: Version
    number: int | None = None


class Made:
    """What is made here that a query finds. Raises TooCostly where too many writes would have to be looked at."""

    def __init__(self, tx: Transaction, interaction: Interaction, query: Query, eyes: Sight | None) -> None:
        self._tx, self._connection, self._base = tx, interaction.connection, interaction.base
        self._eyes = eyes
        asked = _apart(query) if eyes is None else [followed(item, eyes) for item in _apart(query)]
        conditions = tuple(looked_up(tx, interaction.connection, PROVENANCE, item, CATALOG) for item in asked)
        if any(leads_on(item) for item in conditions):
            raise TooCostly(f"Too many resources are at the other end of this search. {_NARROWER}")
        self._query = replace(query, conditions=conditions)
        self._backwards = bool(query.sort) and query.sort[0].descending

    def after(self, number: int | None, count: int) -> list[Item]:
        """The next ``count``."""
        found: list[Item] = []
        for item in self.all(number):
            found.append(item)
            if len(found) == count:
                break
        return found

    def count(self) -> int:
        """How many there are."""
        if not (self._query.conditions or self._query.words) and self._eyes is None:
            return writes.number(self._tx, self._connection)
        return sum(1 for _ in self.all(None))

    def all(self, after: int | None) -> Iterator[Item]:
        """Each of them after that place, in the order of the query."""
        if any(_finds_none(item) for item in self._query.conditions):
            return
        for read, write in enumerate(self._candidates(after)):
            if read == MOST_READ:
                raise TooCostly(f"A search of who wrote what looks at {MOST_READ} versions at most. {_NARROWER}")
            version = made(self._tx, self._connection, write)
            if match.matches(version.resource(), self._query, _SPEC.parameters, self._base) and self._seen(version):
                yield Item(version, write.number)

    def _seen(self, version: Version) -> bool:
        return self._eyes is None or self._eyes.sees(version)

    def _candidates(self, after: int | None) -> Iterator[Write]:
        ids, targets, patients, agents = _driving(self._query.conditions)
        if ids is not None:
            numbers = sorted((number for id_ in ids if (number := number_of(id_)) is not None), reverse=self._backwards)
            yield from self._single(numbers, after)
        elif targets is not None:
            yield from self._of_targets(targets, after)
        elif self._eyes is not None and len(patients or self._eyes.patients(PROVENANCE)) == 1:
            [patient] = patients or self._eyes.patients(PROVENANCE)
            yield from self._pages(after, partial(writes.of_patient, self._tx, self._connection, patient))
        elif patients is not None and len(patients) == 1:
            yield from self._pages(after, partial(writes.of_patient, self._tx, self._connection, patients[0]))
        elif agents is not None:
            each = [self._pages(after, partial(writes.of_actor, self._tx, self._connection, name)) for name in agents]
            yield from merge(*each, key=lambda write: write.number, reverse=self._backwards)
        else:
            yield from self._along(after)

    def _single(self, numbers: Sequence[int], after: int | None) -> Iterator[Write]:
        for number in numbers:
            if after is None or (number < after if self._backwards else number > after):
                write = writes.one(self._tx, self._connection, number)
                if write is not None:
                    yield write

    def _of_targets(self, targets: Sequence[tuple[str, str]], after: int | None) -> Iterator[Write]:
        each = [self._pages(after, partial(writes.of_resource, self._tx, self._connection, *name)) for name in targets]
        yield from merge(*each, key=lambda write: write.number, reverse=self._backwards)

    def _along(self, after: int | None) -> Iterator[Write]:
        low, high = _window(self._query.conditions)
        if not self._backwards and low is not None:
            begin = writes.first_at(self._tx, low - SLACK) - 1
            after = begin if after is None else max(after, begin)
        if self._backwards and high is not None:
            end = writes.first_at(self._tx, high + SLACK)
            after = end if after is None else min(after, end)
        for write in self._pages(after, partial(writes.along, self._tx, self._connection)):
            if low is not None and self._backwards and write.updated < low - SLACK:
                return
            if high is not None and not self._backwards and write.updated > high + SLACK:
                return
            yield write

    def _pages(self, after: int | None, read: _Read) -> Iterator[Write]:
        while True:
            found = read(after=after, count=_AT_ONCE, backwards=self._backwards)
            yield from found
            if len(found) < _AT_ONCE:
                return
            after = found[-1].number


def _apart(query: Query) -> list[Criterion]:
    found: list[Criterion] = []
    for item in query.conditions:
        found.extend(item.parts if isinstance(item, Every) else [item])
    return found


def _finds_none(criterion: Criterion) -> bool:
    """Whether it asks for a value that no Provenance of a write has."""
    match criterion:
        case Condition(parameter, _, negated):
            return not negated and parameter.code not in _HELD
        case Missing(parameter, missing):
            return not missing and parameter.code not in _HELD
        case Every(parts):
            return any(_finds_none(part) for part in parts)
        case Some(parts):
            return all(_finds_none(part) for part in parts)
    return False


_Names = Sequence[tuple[str, str]]


def _driving(
    conditions: Sequence[Criterion],
) -> tuple[set[str] | None, _Names | None, Sequence[str] | None, Sequence[str] | None]:
    """The ids, the targets, the patients and the agents that the conditions name, None for what they do not name."""
    ids: set[str] | None = None
    targets: list[tuple[str, str]] | None = None
    patients: list[str] | None = None
    agents: list[str] | None = None
    for item in conditions:
        if not isinstance(item, Condition) or item.negated:
            continue
        if item.parameter is ID:
            ids = {value.code or "" for value in item.values if isinstance(value, TokenValue)}
        listed = [value for value in item.values if isinstance(value, ReferenceValue)]
        if len(listed) < len(item.values):
            continue
        if item.parameter.code == "target":
            targets = [(type_, value.id) for value in listed for type_ in _types(value, tuple(CATALOG))]
        elif item.parameter.code == "patient":
            patients = [value.id for value in listed]
        elif item.parameter.code == "agent":
            agents = [f"{type_}/{value.id}" for value in listed for type_ in _types(value, item.parameter.targets)]
    return ids, targets, patients, agents


def _types(value: ReferenceValue, possible: Sequence[str]) -> Sequence[str]:
    return (value.type,) if value.type is not None else possible


def _window(conditions: Sequence[Criterion]) -> tuple[int | None, int | None]:
    """The times, in ms, that all matches lie between; None where there is no such bound."""
    low: int | None = None
    high: int | None = None
    for item in conditions:
        if not isinstance(item, Condition) or item.negated or len(item.values) != 1:
            continue
        [value] = item.values
        if not isinstance(value, DateValue) or (
            item.parameter.code != "recorded" and item.parameter is not LAST_UPDATED
        ):
            continue
        if value.prefix in ("eq", "ge", "gt", "sa"):
            low = max(low or 0, value.span.low)
        if value.prefix in ("eq", "le", "lt", "eb"):
            high = min(high, value.span.high) if high is not None else value.span.high
    return low, high
