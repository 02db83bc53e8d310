"""Finds the resources that match a query, a page at a time, and what they include."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from fhirplan.fhir import reference
from fhirplan.sandbox import instants, page
from fhirplan.sandbox.calls import Pairs
from fhirplan.sandbox.page import Cursor
from fhirplan.sandbox.query import Filter, Include, Query
from fhirplan.sandbox.resources import FOREVER, Store, Version

_SELECTIVE: Final = {"_id": 0, "identifier": 1, "reference": 2, "token": 3, "code": 4, "date": 5}
"""Which kind of filter finds the fewest candidates, so which one drives the search."""


def answer(store: Store, query: Query, pairs: Pairs) -> bytes:
    """The searchset Bundle of one page; ``pairs`` are the parameters as asked, for its links."""
    address = f"{query.base}/{query.type}"
    links = [page.link("self", address, pairs)]
    cursor = query.cursor or _first(store, query)
    if query.only_count:
        return page.bundle("searchset", (), links, count(store, query, cursor.snapshot))
    found = matches(store, query, cursor, query.count + 1)
    shown = found[: query.count]
    if len(found) > len(shown):
        links.append(page.link("next", address, pairs, replace(cursor, last=shown[-1].seq)))
    base = page.quoted(query.base)
    entries = [page.search_entry(base, version, b"match") for version in shown]
    if query.includes or query.reverse:
        entries += [page.search_entry(base, version, b"include") for version in _included(store, query, cursor, shown)]
    return page.bundle("searchset", entries, links, cursor.total)


def ids(store: Store, query: Query) -> list[str]:
    """The ids of at most two current matches: enough to tell none, one and several apart."""
    return [version.id for version in matches(store, query, _first(store, replace(query, with_total=False)), 2)]


def count(store: Store, query: Query, snapshot: int, upto: int = FOREVER) -> int:
    """How many resources with a ``seq`` of at most ``upto`` matched when ``snapshot`` was the newest ``seq``."""
    source, where, values = _conditions(query, snapshot)
    statement = f"SELECT count(*) FROM {source} WHERE {where} AND +v.seq <= ?"  # noqa: S608 - parts are ours
    found: int = store.rows(statement, (*values, upto))[0][0]
    return found


def matches(store: Store, query: Query, cursor: Cursor, limit: int) -> list[Version]:
    """The next matches after a cursor, in the order of their last update."""
    source, where, values = _conditions(query, cursor.snapshot)
    order, after = ("DESC", "<") if query.descending else ("ASC", ">")
    found = store.rows(
        "SELECT v.seq, v.type, v.id, v.number, v.updated, v.method, v.status, v.body "  # noqa: S608 - parts are ours
        f"FROM {source} WHERE {where} AND v.seq {after} ? ORDER BY v.seq {order} LIMIT ?",
        (*values, cursor.last, limit),
    )
    return [Version(*row) for row in found]


def _first(store: Store, query: Query) -> Cursor:
    snapshot = store.newest()
    total = count(store, query, snapshot) if query.with_total and not query.only_count else None
    return Cursor(snapshot, snapshot + 1 if query.descending else 0, total)


def _conditions(query: Query, snapshot: int) -> tuple[str, str, list[Any]]:
    """The FROM and WHERE of a search, and their values: the most selective filter first, the others looked up."""
    source, values = "version v", []
    where = ["v.type = ?", "v.seq <= ?", "v.until > ?"]
    bounds: list[Any] = [query.type, snapshot, snapshot]
    for bound, sign in ((query.since, ">="), (query.before, "<")):
        if bound is not None:
            where.append(f"v.updated {sign} ?")
            bounds.append(bound)
    filters = sorted(query.filters, key=lambda item: _SELECTIVE[item.kind])
    if filters and filters[0].kind not in ("_id", "code", "date"):
        driver = filters.pop(0)
        candidates = f"SELECT DISTINCT seq FROM entry WHERE {_entry(driver)}"  # noqa: S608 - parts are ours
        source = f"({candidates}) e CROSS JOIN version v ON v.seq = e.seq"
        values = [query.type, driver.code, *driver.values]
    for item in filters:
        if item.kind == "_id":
            where.append(f"v.id IN ({_marks(item)})")
            bounds.extend(item.values)
        else:
            where.append(f"EXISTS (SELECT 1 FROM entry WHERE {_entry(item)} AND seq = v.seq)")  # noqa: S608 - ours
            bounds.extend([query.type, item.code, *_sought(item)])
    return source, " AND ".join(where), values + bounds


def _entry(item: Filter) -> str:
    if item.kind == "date":
        return f"type = ? AND code = ? AND ({' OR '.join(_DATES[value[:2]] for value in item.values)})"
    return f"type = ? AND code = ? AND value IN ({_marks(item)})"


_START: Final = f"substr(value, 1, {instants.DIGITS})"
_END: Final = f"substr(value, {instants.DIGITS + 2})"
_DATES: Final = {
    "eq": f"({_START} >= ? AND {_END} <= ?)",
    "gt": f"{_END} > ?",
    "ge": f"{_END} > ?",
    "lt": f"{_START} < ?",
    "le": f"{_START} < ?",
}
"""How a stored span compares with one asked for; ge and le take any overlap (R4 section 3.1.1.4.7)."""


def _sought(item: Filter) -> list[str]:
    """The values that fill the marks of ``_entry``."""
    if item.kind != "date":
        return list(item.values)
    found: list[str] = []
    for value in item.values:
        start, end = value[2 : 2 + instants.DIGITS], value[2 + instants.DIGITS :]
        found += {"eq": [start, end], "gt": [end], "ge": [start], "lt": [start], "le": [end]}[value[:2]]
    return found


def _marks(item: Filter) -> str:
    return ",".join("?" * len(item.values))


def _included(store: Store, query: Query, cursor: Cursor, shown: list[Version]) -> Iterable[Version]:
    """What the page's matches point to and what points to them, once each and no match again."""
    found: dict[int, Version] = {}
    for include in query.includes:
        for version in _targets(store, query, include, cursor.snapshot, shown):
            found[version.seq] = version
    for include in query.reverse:
        for version in _sources(store, query, include, cursor.snapshot, shown):
            found[version.seq] = version
    for version in shown:
        found.pop(version.seq, None)
    return found.values()


def _targets(store: Store, query: Query, include: Include, snapshot: int, shown: list[Version]) -> Iterable[Version]:
    pointed = store.rows(
        "SELECT DISTINCT value FROM entry WHERE seq IN (SELECT value FROM json_each(?)) "
        "AND code IN (SELECT value FROM json_each(?)) ORDER BY value",
        (json.dumps([version.seq for version in shown]), json.dumps(include.codes)),
    )
    for (text,) in pointed:
        target = reference.parse(text)
        if target and target.server in ("", query.base) and include.target in ("", target.type):
            where = "type = ? AND id = ? AND seq <= ? AND until > ?"
            yield from store.versions(where, (target.type, target.id, snapshot, snapshot))


def _sources(store: Store, query: Query, include: Include, snapshot: int, shown: list[Version]) -> Iterable[Version]:
    if include.target not in ("", query.type):
        return []
    spelled = [text for version in shown for text in (version.key, f"{query.base}/{version.key}")]
    return store.versions(
        "seq IN (SELECT seq FROM entry WHERE type = ? AND code IN (SELECT value FROM json_each(?)) "
        "AND value IN (SELECT value FROM json_each(?))) AND seq <= ? AND until > ? ORDER BY seq",
        (include.type, json.dumps(include.codes), json.dumps(spelled), snapshot, snapshot),
    )
