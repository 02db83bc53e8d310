"""Searches Provenance: what is stored, and what is made of each version's row (docs/decisions/0010)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import merge

from fhirplan.catalog import CATALOG
from fhirplan.errors import InvalidSearch
from fhirplan.fhir.dates import span
from fhirplan.interactions.outcomes import MethodNotAllowed
from fhirplan.interactions.provenance.made import Item, Made
from fhirplan.interactions.sight import Sight
from fhirplan.interactions.values import Interaction
from fhirplan.search import page
from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Has, Negation, Some, TokenValue
from fhirplan.search.definitions import ID
from fhirplan.search.query import Query
from fhirplan.search.restrict import followed
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import is_made, referred
from fhirplan.store.search.includes import included
from fhirplan.store.search.plan import ids_referred_to
from fhirplan.store.search.searching import Found, search_types
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE


def refuse_made(interaction: Interaction) -> None:
    """Raises MethodNotAllowed for a write to a Provenance that is made here."""
    if is_made(interaction.type, interaction.id):
        raise MethodNotAllowed(
            f"{interaction.type}/{interaction.id} says who wrote a version here. Nobody can change it. Store a "
            "Provenance of your own under another id.",
            ("GET", "HEAD"),
        )


def search_provenance(
    tx: Transaction, interaction: Interaction, queries: Sequence[Query], cursor: str | None, eyes: Sight | None = None
) -> Found:
    """A page of what is stored and what is made, the stored first, or both by time where ``_sort`` asks for that.

    ``queries`` are one for Provenance and, in a search over several types, those of the others. They are without the
    page, which ``cursor`` names. With ``eyes`` only what they see is found. Raises as ``store.search_sql.search_types``
    does, InvalidSearch for another order, TooCostly where too many writes would have to be looked at.
    """
    query = next(item for item in queries if item.type == PROVENANCE)
    if query.sort and (len(query.sort) > 1 or query.sort[0].parameter.code not in ("recorded", "_lastUpdated")):
        raise InvalidSearch(
            "Provenance is sorted by recorded or _lastUpdated, by one of them. Sort so, or leave it out with _type.",
            expression="_sort",
        )
    connection = interaction.connection
    begin = _begin(query, cursor)
    asked = [replace(item, includes=(), after=begin.stored) for item in queries]
    stored = search_types(tx, connection, asked, allowed=eyes)
    total = stored.total
    own = Made(tx, interaction, query, eyes)
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


def _together(stored: Sequence[Version], mine: Sequence[Item], query: Query) -> list[Item]:
    first = [Item(item) for item in stored]
    if not query.sort:
        return [*first, *mine]
    downwards = query.sort[0].descending
    recorded = query.sort[0].parameter.code == "recorded"

    def time(item: Item) -> int:
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


def _end(shown: Sequence[Item], begin: _Place, query: Query) -> str:
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


def with_made(tx: Transaction, interaction: Interaction, query: Query, eyes: Sight | None = None) -> Query:
    """The query, its ``_has:Provenance`` fulfilled also by what is made; raises TooCostly as a search of it does."""
    if not any("Provenance" in name or "Provenance" in text for name, text in query.pairs):
        return query
    conditions = tuple(_with_made(tx, interaction, query.type, item, eyes) for item in query.conditions)
    return replace(query, conditions=conditions)


def _with_made(
    tx: Transaction, interaction: Interaction, type_: str, criterion: Criterion, eyes: Sight | None
) -> Criterion:
    def inside(part: Criterion, of: str = type_) -> Criterion:
        return _with_made(tx, interaction, of, part, eyes)

    match criterion:
        case Has(source, parameter, inner):
            within = Has(source, parameter, inside(inner, source))
            return _referred_to(tx, interaction, type_, within, eyes) if source == PROVENANCE else within
        case Chain(parameter, target, inner):
            return Chain(parameter, target, inside(inner, target))
        case Every(parts):
            return Every(tuple(map(inside, parts)))
        case Some(parts):
            return Some(tuple(map(inside, parts)))
        case Negation(part):
            return Negation(inside(part))
    return criterion


def _referred_to(tx: Transaction, interaction: Interaction, type_: str, has: Has, eyes: Sight | None) -> Criterion:
    """That a resource of a type is one of those that the Provenances refer to, stored or made."""
    asked = Query(PROVENANCE, (has.inner,), (), 0, "", None, "", ())
    made = Made(tx, interaction, asked, eyes)
    code = has.parameter.code
    ids = {id_ for item in made.all(None) for _, id_ in referred(item.version, code, type_)}
    own = has if eyes is None else followed(has, eyes)
    stored = ids_referred_to(tx, interaction.connection, type_, own, CATALOG) if isinstance(own, Has) else None
    named = Condition(ID, tuple(TokenValue(None, item) for item in sorted(ids.union(stored or ()))))
    if stored is not None:
        return named if named.values else Some(())
    return Some((has, named)) if ids else has
