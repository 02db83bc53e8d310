"""Tells what happened to one resource, one type or all of them, newest first (R4 section 3.1.0.12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhirplan.errors import InvalidSearch, NotFound
from fhirplan.sandbox import instants, page
from fhirplan.sandbox.calls import Call
from fhirplan.sandbox.page import Cursor
from fhirplan.sandbox.query import CURSOR, DEFAULT_COUNT, IGNORED, MAX_COUNT, whole_number
from fhirplan.sandbox.resources import Store


def answer(store: Store, call: Call, type_: str = "", id_: str = "") -> bytes:
    """One page of a history; of one resource, of a type (``id_`` empty), or of everything (both empty)."""
    conditions = [("type", type_), ("id", id_)]
    where = [f"{column} = ?" for column, value in conditions if value]
    values: list[Any] = [value for _, value in conditions if value]
    limit, since, cursor = _parameters(call)
    if since is not None:
        where.append("updated >= ?")
        values.append(since)
    if id_ and store.latest(type_, id_) is None:
        raise NotFound(f"There is no {type_} with the id {id_} and there never was.")
    cursor = cursor or _first(store, where, values)
    where += ["seq <= ?", "seq < ?"]
    found = store.versions(
        f"{' AND '.join(where)} ORDER BY seq DESC LIMIT ?", (*values, cursor.snapshot, cursor.last, limit + 1)
    )
    shown = found[:limit]
    address = f"{call.base}/{call.path}"
    links = [page.link("self", address, call.pairs)]
    if shown and len(found) > limit:
        links.append(page.link("next", address, call.pairs, replace(cursor, last=shown[-1].seq)))
    base = page.quoted(call.base)
    return page.bundle("history", [page.history_entry(base, version) for version in shown], links, cursor.total)


def _first(store: Store, where: list[str], values: list[Any]) -> Cursor:
    snapshot = store.newest()
    counted = "SELECT count(*) FROM version WHERE " + " AND ".join([*where, "seq <= ?"])  # noqa: S608 - parts are ours
    return Cursor(snapshot, snapshot + 1, store.rows(counted, (*values, snapshot))[0][0])


def _parameters(call: Call) -> tuple[int, int | None, Cursor | None]:
    limit, since, cursor = DEFAULT_COUNT, None, None
    for name, value in call.pairs:
        if name == "_count":
            limit = min(whole_number(name, value), MAX_COUNT)
        elif name == "_since":
            since = _since(value)
        elif name == CURSOR:
            cursor = Cursor.read(value)
        elif name not in IGNORED:
            raise InvalidSearch(f"The parameter {name!r} is not known for a history. Known are: _count, _since.")
    return limit, since, cursor


def _since(value: str) -> int:
    try:
        return instants.span(value)[0]
    except ValueError:
        raise InvalidSearch(
            f"The parameter _since is {value[:40]!r}. Write an instant such as 2026-11-21T10:00:00.000Z "
            "(in a URL a plus sign is written %2B)."
        ) from None
