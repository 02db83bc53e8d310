"""Searches Provenance: what is stored, and what is made of each version's row (docs/decisions/0010)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from typing import Final, Protocol

from fhirplan.catalog import CATALOG
from fhirplan.errors import InvalidSearch, TooCostly
from fhirplan.fhir.dates import span
from fhirplan.interactions.outcomes import MethodNotAllowed
from fhirplan.interactions.sight import Sight
from fhirplan.interactions.values import Interaction
from fhirplan.search import match, page
from fhirplan.search.criteria import (
    Chain,
    Condition,
    Criterion,
    DateValue,
    Every,
    Has,
    Negation,
    ReferenceValue,
    Some,
    TokenValue,
)
from fhirplan.search.definitions import ID, LAST_UPDATED
from fhirplan.search.query import Query
from fhirplan.search.restrict import followed
from fhirplan.store import writes
from fhirplan.store.engine import Transaction
from fhirplan.store.includes import included
from fhirplan.store.provenance import is_made, made, number_of
from fhirplan.store.search_plan import looked_up
from fhirplan.store.search_sql import Found, search
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE, Write

MOST_READ: Final = 5000
"""So many writes are looked at for one page, or one count."""
_AT_ONCE: Final = 200
# Clocks are put right now and then, so that the order of writing is the order of time up to this, in ms.
_SLACK: Final = 60_000
_SPEC: Final = CATALOG[PROVENANCE]
_NARROWER: Final = "Narrow it by target, patient or recorded."


def refuse_made(interaction: Interaction) -> None:
    """Raises MethodNotAllowed for a write to a Provenance that is made here."""
    if is_made(interaction.type, interaction.id):
        raise MethodNotAllowed(
            f"{interaction.type}/{interaction.id} says who wrote a version here. Nobody can change it. Store a "
            "Provenance of your own under another id.",
            ("GET", "HEAD"),
        )


def search_provenance(
    tx: Transaction, interaction: Interaction, query: Query, cursor: str | None, eyes: Sight | None = None
) -> Found:
    """A page of what is stored and what is made, the stored first, or both by time where ``_sort`` asks for that.

    ``query`` is without the page, which ``cursor`` names. With ``eyes`` only what they see is found. Raises as
    ``store.search_sql.search`` does, InvalidSearch for another order, TooCostly where too many writes would have to be
    looked at.
    """
    if query.sort and (len(query.sort) > 1 or query.sort[0].parameter.code not in ("recorded", "_lastUpdated")):
        raise InvalidSearch("Provenance is sorted by recorded or _lastUpdated, and by one of them.", expression="_sort")
    connection = interaction.connection
    begin = _begin(query, cursor)
    asked = replace(query, includes=(), after=begin.stored, count=query.count)
    stored = search(tx, connection, asked, allowed=eyes)
    total = stored.total
    own = _Made(tx, interaction, query, eyes)
    if total is not None:
        total += own.count()
    if query.count == 0:
        return replace(stored, total=total)
    mine = own.after(begin.number, query.count + 1)
    listed = _together(stored.versions, mine, query)
    shown = listed[: query.count]
    more = len(listed) > query.count or stored.next_cursor is not None
    next_cursor = _end(shown, begin, query) if more and shown else None
    found = [item.version for item in shown]
    if not query.includes:
        return Found(found, next_cursor, total)
    added, cut = included(tx, connection, found, query.includes, query.max_included, CATALOG, eyes)
    return Found(found, next_cursor, total, added, cut)


class _Read(Protocol):
    """Reads the writes that come after a number."""

    def __call__(self, *, after: int | None, count: int, backwards: bool) -> list[Write]: ...


@dataclass(frozen=True, slots=True)
class _Item:
    """One match; ``number`` is the place of a write, None for what is stored."""

    version: Version
    number: int | None = None


def _together(stored: Sequence[Version], mine: Sequence[_Item], query: Query) -> list[_Item]:
    first = [_Item(item) for item in stored]
    if not query.sort:
        return [*first, *mine]
    downwards = query.sort[0].descending
    recorded = query.sort[0].parameter.code == "recorded"

    def time(item: _Item) -> int:
        return _keys(item.version, recorded=recorded)[0] if recorded else item.version.updated

    return list(merge(first, mine, key=time, reverse=downwards))


def _keys(version: Version, *, recorded: bool) -> tuple[int, ...]:
    """The keys that a search of what is stored orders a version by."""
    if not recorded:
        return (version.updated,)
    moment = span(version.resource().get("recorded"))
    return (moment.low, moment.high) if moment is not None else (version.updated, version.updated)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after what was shown last of what is stored, and of what is made."""

    stored: page.Position | None = None
    number: int | None = None


def _begin(query: Query, cursor: str | None) -> _Place:
    if cursor is None:
        return _Place()
    position = page.read(cursor, query.digest)
    *keys, number = position.keys or (None,)
    width = sum(key.width for key in query.sort)
    if (number is not None and not isinstance(number, int)) or len(keys) not in (0, width):
        raise page.wrong()
    if not all(isinstance(key, int) for key in keys):
        raise page.wrong()
    return _Place(page.Position(position.rid, tuple(keys)) if position.rid else None, number)


def _end(shown: Sequence[_Item], begin: _Place, query: Query) -> str:
    stored, number = begin.stored, begin.number
    for item in shown:
        if item.number is not None:
            number = item.number
        else:
            recorded = bool(query.sort) and query.sort[0].parameter.code == "recorded"
            keys: tuple[page.Key, ...] = _keys(item.version, recorded=recorded) if query.sort else ()
            stored = page.Position(item.version.rid, keys)
    last = stored if stored is not None else page.Position(0)
    return page.write(page.Position(last.rid, (*last.keys, number)), query.digest)


class _Made:
    """What is made here that a query finds."""

    def __init__(self, tx: Transaction, interaction: Interaction, query: Query, eyes: Sight | None) -> None:
        self._tx, self._connection, self._base = tx, interaction.connection, interaction.base
        self._eyes = eyes
        asked = _apart(query) if eyes is None else [followed(item, eyes) for item in _apart(query)]
        conditions = tuple(looked_up(tx, interaction.connection, PROVENANCE, item, CATALOG) for item in asked)
        if any(_leads_on(item) for item in conditions):
            raise TooCostly(f"Too many resources are at the other end of this search. {_NARROWER}")
        self._query = replace(query, conditions=conditions)
        self._backwards = bool(query.sort) and query.sort[0].descending

    def after(self, number: int | None, count: int) -> list[_Item]:
        """The next ``count``."""
        found: list[_Item] = []
        for item in self._all(number):
            found.append(item)
            if len(found) == count:
                break
        return found

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self._all(None))

    def _all(self, after: int | None) -> Iterator[_Item]:
        for read, write in enumerate(self._candidates(after)):
            if read == MOST_READ:
                raise TooCostly(f"A search of who wrote what looks at {MOST_READ} versions at most. {_NARROWER}")
            version = made(self._tx, self._connection, write)
            if match.matches(version.resource(), self._query, _SPEC.parameters, self._base) and self._seen(version):
                yield _Item(version, write.number)

    def _seen(self, version: Version) -> bool:
        return self._eyes is None or self._eyes.sees(version)

    def _candidates(self, after: int | None) -> Iterator[Write]:
        ids, targets, patients = _driving(self._query.conditions)
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
            begin = writes.first_at(self._tx, low - _SLACK) - 1
            after = begin if after is None else max(after, begin)
        if self._backwards and high is not None:
            end = writes.first_at(self._tx, high + _SLACK)
            after = end if after is None else min(after, end)
        for write in self._pages(after, partial(writes.along, self._tx, self._connection)):
            if low is not None and self._backwards and write.updated < low - _SLACK:
                return
            if high is not None and not self._backwards and write.updated > high + _SLACK:
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


def _leads_on(criterion: Criterion) -> bool:
    match criterion:
        case Chain() | Has():
            return True
        case Every(parts) | Some(parts):
            return any(_leads_on(part) for part in parts)
        case Negation(part):
            return _leads_on(part)
    return False


_Names = Sequence[tuple[str, str]]


def _driving(
    conditions: Sequence[Criterion],
) -> tuple[set[str] | None, _Names | None, Sequence[str] | None]:
    """The ids, the targets and the patients that the conditions name, None for what they do not name."""
    ids: set[str] | None = None
    targets: list[tuple[str, str]] | None = None
    patients: list[str] | None = None
    for item in conditions:
        if not isinstance(item, Condition) or item.negated:
            continue
        if item.parameter is ID:
            ids = {value.code or "" for value in item.values if isinstance(value, TokenValue)}
        listed = [value for value in item.values if isinstance(value, ReferenceValue)]
        if len(listed) < len(item.values):
            continue
        if item.parameter.code == "target":
            targets = [(type_, value.id) for value in listed for type_ in _types(value)]
        elif item.parameter.code == "patient":
            patients = [value.id for value in listed]
    return ids, targets, patients


def _types(value: ReferenceValue) -> Sequence[str]:
    return (value.type,) if value.type is not None else tuple(CATALOG)


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
