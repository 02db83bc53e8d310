"""Carries out a search on the database: reads one page, counts when asked, adds what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, func, select

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.errors import TooCostly
from fhirplan.search import page
from fhirplan.search.query import Query
from fhirplan.search.restrict import restricted
from fhirplan.search.words import has_words
from fhirplan.store import tables, versions
from fhirplan.store.engine import Row, Statement, Transaction, statement
from fhirplan.store.search.includes import included
from fhirplan.store.search.nodes import filled, spec_of
from fhirplan.store.search.plan import Plan, branches, plan
from fhirplan.store.search.prepared import prepared
from fhirplan.store.search.shapes import Probe, Shape
from fhirplan.store.search.statements import search_statement
from fhirplan.store.search.visible import Eyes
from fhirplan.store.versions import Version

# So many resources are read for one page, or one count, of a search for words.
MOST_READ: Final = 20_000
# Up to so many matches an estimate is exact.
COUNTED: Final = 2000
_AT_ONCE: Final = 200
_ANY_NUMBER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search: current versions in order, the cursor of the next page, the number of all if asked.

    ``included`` are the resources that belong to them; ``cut`` says that there are more than the limit allows.
    """

    versions: list[Version]
    next_cursor: str | None
    total: int | None
    included: list[Version] = ()  # type: ignore[assignment]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A match with its place in the order."""

    rid: int
    keys: tuple[page.Key, ...]
    version: Version | None = None


def search(
    tx: Transaction,
    connection: str,
    query: Query,
    *,
    spec: ResourceSpec | None = None,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
    allowed: Eyes | None = None,
) -> Found:
    """The page of live resources that ``query`` asks for.

    Pages follow each other by the place of their last resource, so resources stored meanwhile neither repeat nor hide
    others. Read along a value, a resource that changes meanwhile comes again at its new place. With ``allowed`` it is
    as if there were no resources but those that it lets be seen.

    Raises InvalidSearch while the index of a parameter has to be made, NotSupported for a type not in the catalog,
    TooCostly for words that too many resources would have to be read for.
    """
    known = catalog if spec is None else {**catalog, spec.type: spec}
    return search_types(tx, connection, (query,), catalog=known, allowed=allowed)


def search_types(
    tx: Transaction,
    connection: str,
    queries: Sequence[Query],
    *,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
    allowed: Eyes | None = None,
) -> Found:
    """The page of a search over several types, one query each, as ``parse_types`` gives; raises as ``search``."""
    if allowed is not None:
        queries = [restricted(item, allowed) for item in queries]
    query = queries[0]
    for item in queries:
        spec_of(catalog, item.type)
    if len(queries) == 1 and query.count and not query.total:
        ready = prepared(tx, connection, query, catalog)
        if ready is not None:
            stmt, params = ready
            return _found(tx, connection, query, _rows_of(tx, stmt, params), None, catalog, allowed)
    plans = [made for item in queries if (made := plan(tx, connection, item, catalog)) is not None]
    total = sum(_total(tx, made) for made in plans) if query.total else None
    if query.count == 0 or not plans:
        return Found([], None, total)
    places = [place for made in plans for place in _page(tx, made)]
    return _found(tx, connection, query, places, total, catalog, allowed)


def _found(
    tx: Transaction,
    connection: str,
    query: Query,
    places: list[_Place],
    total: int | None,
    catalog: Mapping[str, ResourceSpec],
    allowed: Eyes | None,
) -> Found:
    """The page that these matches make, the first of it and one more where there are so many."""
    places = _merged(places, query)
    more = len(places) > query.count
    places = places[: query.count]
    cursor = page.write(page.Position(places[-1].rid, places[-1].keys), query.digest) if more else None
    found = _versions(tx, places)
    if not query.includes:
        return Found(found, cursor, total)
    added, cut = included(tx, connection, found, query.includes, query.max_included, catalog, allowed)
    return Found(found, cursor, total, added, cut)


def explain(
    tx: Transaction,
    connection: str,
    query: Query,
    *,
    spec: ResourceSpec | None = None,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
) -> list[str]:
    """The steps in which the database reads the page, one list for all statements; for tests and for people."""
    made = plan(tx, connection, query, catalog if spec is None else {**catalog, spec.type: spec})
    steps: list[str] = []
    for shape, params in branches(made, "versions") if made is not None else ():
        steps.extend(tx.explain(search_statement(shape), **params))
    return steps


def _page(tx: Transaction, plan: Plan) -> list[_Place]:
    """The first of the page and one more than it holds, where there are so many."""
    if plan.query.words:
        return _page_of_words(tx, plan)
    found = branches(plan, "versions")
    if len(found) > 1:
        return _positions(tx, plan)
    [(shape, params)] = found
    return _rows_of(tx, search_statement(shape), params)


def _rows_of(tx: Transaction, stmt: Statement, params: dict[str, Any]) -> list[_Place]:
    width = len(versions.COLUMNS)
    return [_Place(row[0], row[width:], Version(*row[:width])) for row in tx.all(stmt, **params)]


def _positions(tx: Transaction, plan: Plan) -> list[_Place]:
    """The next matches in order, one more than ``count``, without their versions."""
    found: dict[int, _Place] = {}
    for shape, params in branches(plan, "positions"):
        if plan.driver == "key" and len(found) > plan.query.count:
            break
        for row in tx.all(search_statement(shape), **params):
            found[row[0]] = _Place(row[0], row[1:])
    # Each branch gives the first of its own, so the first of all are among them.
    return _merged(list(found.values()), plan.query)[: plan.query.count + 1]


def _merged(places: list[_Place], query: Query) -> list[_Place]:
    """In the order of the search: by each key, what has none last, and then by rid."""
    descending = bool(query.sort) and query.sort[0].descending
    places.sort(key=lambda item: item.rid, reverse=descending)
    directions = [key.descending for key in query.sort for _ in range(key.width)]
    for number, downwards in reversed(list(enumerate(directions))):
        valued = [item for item in places if item.keys[number] is not None]
        valued.sort(key=lambda item: item.keys[number], reverse=downwards)  # type: ignore[arg-type,return-value]
        places = [*valued, *(item for item in places if item.keys[number] is None)]
    return places


def _page_of_words(tx: Transaction, plan: Plan) -> list[_Place]:
    """As ``_page``, of resources that have the words; they are read in order until the page is full."""
    wanted, query = plan.query.count + 1, plan.query
    found: list[_Place] = []
    for place in _with_words(tx, plan):
        found.append(place)
        if len(found) == wanted:
            break
    return _merged(found, query)


def _with_words(tx: Transaction, plan: Plan) -> Any:
    """Each match that has the words, in order. Raises TooCostly after so many resources without a full page."""
    query, done = replace(plan.query, count=_AT_ONCE - 1), 0
    while True:
        places = _positions(tx, replace(plan, query=query))
        read = {item.rid: item for item in _versions(tx, places)}
        for place in places:
            if all(has_words(read[place.rid].resource(), item) for item in query.words):
                yield place
        done += len(places)
        if len(places) < _AT_ONCE:
            return
        if done >= MOST_READ:
            raise TooCostly(
                f"A search for words reads at most {MOST_READ} resources. Narrow it by another parameter, such as "
                "patient."
            )
        last = places[-1]
        query = replace(query, after=page.Position(last.rid, last.keys))


def _versions(tx: Transaction, places: Sequence[_Place]) -> list[Version]:
    """The versions of the places, those that are not read yet together."""
    wanted = [item.rid for item in places if item.version is None]
    read = {item.rid: item for item in by_rid(tx, wanted)}
    return [item.version if item.version is not None else read[item.rid] for item in places]


def by_rid(tx: Transaction, rids: Sequence[int]) -> list[Version]:
    """The current versions of the resources of these numbers, in no order."""
    if not rids:
        return []
    listed = filled([{"rid": rid} for rid in rids])
    found = tx.all(_current(len(listed)), **{f"r{place}": item["rid"] for place, item in enumerate(listed)})
    return [Version(*row) for row in found]


@lru_cache(maxsize=32)
def _current(count: int) -> Statement:
    joined = tables.resource.join(tables.version, tables.version.c.vid == tables.resource.c.vid)
    among = tables.resource.c.rid.in_([bindparam(f"r{place}") for place in range(count)])
    return statement(select(*versions.COLUMNS).select_from(joined).where(among))


def _total(tx: Transaction, made: Plan) -> int:
    query = replace(made.query, after=None)
    if query.words:
        return sum(1 for _ in _with_words(tx, replace(made, query=query)))
    driver = "type" if made.driver == "key" else made.driver
    if query.total == "estimate" and driver != "id":
        return _estimate(tx, replace(made, driver=driver, keys=(), query=query))
    if isinstance(driver, int) and not isinstance(made.nodes[driver], Probe):
        # Each of several indexes is read by itself, and a resource may be in more than one.
        counted = replace(made, keys=(), query=replace(query, sort=(), count=_ANY_NUMBER))
        return len(
            {
                row[0]
                for shape, params in branches(counted, "positions")
                for row in tx.all(search_statement(shape), **params)
            }
        )
    shape = Shape(driver, made.nodes, result="count")
    if driver != "id":
        return _number(tx.one(search_statement(shape), **made.params))
    return sum(_number(tx.one(search_statement(shape), **made.params, id=id_)) for id_ in made.ids)


def _estimate(tx: Transaction, made: Plan) -> int:
    """Exact up to COUNTED; beyond, as many more as the rest of the type has room for, if they are spread evenly."""
    query = replace(made.query, sort=(), count=COUNTED - 1)
    places = _positions(tx, replace(made, query=query))
    if len(places) < COUNTED:
        return len(places)
    row = tx.one(_LAST, connection=made.params["connection"], type=query.type)
    first, reached = places[0].rid, places[-1].rid
    last = int(row[0]) if row is not None else reached
    return max(COUNTED, COUNTED * (last - first + 1) // (reached - first + 1))


_LAST: Final = statement(
    select(func.max(tables.resource.c.rid)).where(
        tables.resource.c.connection == bindparam("connection"), tables.resource.c.type == bindparam("type")
    )
)


def _number(row: Row | None) -> int:
    return int(row[0]) if row is not None else 0
