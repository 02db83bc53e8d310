"""Carries out a search on the database: chooses the index that drives it, reads one page, counts when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.errors import NotSupported
from fhirplan.search import page
from fhirplan.search.definitions import ID, LAST_UPDATED
from fhirplan.search.query import (
    Condition,
    DateValue,
    NumberValue,
    QuantityValue,
    Query,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirplan.store import parameters
from fhirplan.store.engine import Transaction
from fhirplan.store.search_statements import Group, Order, Probe, Result, Shape, bound, search_statement
from fhirplan.store.versions import Version

# A condition on a range drives the search when fewer than so many rows match; otherwise resources are read in their
# order until the page is full, which is soon when many match.
FEW: Final = 2000
# Above so many values another index is preferred to one read per value.
_MANY_VALUES: Final = 16
_ORDERS: Final[dict[str, Order]] = {"stored": "rid", "updated": "updated", "-updated": "-updated"}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search: current versions in order, the cursor of the next page, the number of all if asked."""

    versions: list[Version]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A condition as the database is asked it: each of ``values`` is one group's binds, alike ones together."""

    condition: Condition
    probe: Probe
    pid: int
    values: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]


def search(tx: Transaction, connection: str, query: Query, *, spec: ResourceSpec | None = None) -> Found:
    """The page of live resources that ``query`` asks for.

    Pages follow each other by the place of their last resource, so resources stored meanwhile neither repeat nor hide
    others. Read along ``_lastUpdated``, a resource that changes meanwhile comes again at its new time.

    Raises InvalidSearch while the index of a parameter has to be made, NotSupported for a type not in the catalog.
    """
    plan = _plan(tx, connection, query, spec if spec is not None else _spec(query.type))
    if plan is None:
        return Found([], None, 0 if query.total else None)
    total = _total(tx, plan) if query.total else None
    if query.count == 0:
        return Found([], None, total)
    versions = _read(tx, plan, query)
    more = len(versions) > query.count
    versions = versions[: query.count]
    last = versions[-1] if versions else None
    cursor = page.write(page.Position(last.updated, last.rid), query.digest) if more and last is not None else None
    return Found(versions, cursor, total)


def explain(tx: Transaction, connection: str, query: Query, *, spec: ResourceSpec | None = None) -> list[str]:
    """The steps in which the database reads the page, one list for all statements; for tests and for people."""
    plan = _plan(tx, connection, query, spec if spec is not None else _spec(query.type))
    steps: list[str] = []
    for shape, params in _branches(plan, query, "versions") if plan is not None else ():
        steps.extend(tx.explain(search_statement(shape), **params))
    return steps


def _spec(type: str) -> ResourceSpec:
    found = CATALOG.get(type)
    if found is None:
        raise NotSupported(f"The resource type {type!r:.80} is not served here. Served are: {', '.join(CATALOG)}.")
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """A search for the database: ``driver`` as in Shape; ``ids`` are those of an ``_id`` condition that drives it."""

    driver: int | Literal["id", "type"]
    asked: tuple[_Asked, ...]
    params: dict[str, Any]
    ids: tuple[str, ...] = ()


def _plan(tx: Transaction, connection: str, query: Query, spec: ResourceSpec) -> _Plan | None:
    """How to carry the search out; None where nothing can match."""
    asked: list[_Asked] = []
    ids: set[str] | None = None
    params: dict[str, Any] = {"connection": connection, "type": query.type}
    for condition in query.conditions:
        if condition.parameter == ID:
            named = {v.code for v in condition.values if isinstance(v, TokenValue) and not v.system and v.code}
            ids = named if ids is None else ids & named
            continue
        updated = condition.parameter == LAST_UPDATED
        pid = 0 if updated else parameters.searched(tx, connection, spec, condition.parameter.code)
        one = _asked(tx, condition, pid) if pid is not None else None
        if one is None:
            return None
        asked.append(one)
    for number, item in enumerate(asked):
        params |= _binds(number, item)
    if ids is not None:
        return _Plan("id", tuple(asked), params, tuple(sorted(ids))) if ids else None
    return _Plan(_driver(tx, asked, params, query), tuple(asked), params)


def _driver(
    tx: Transaction, asked: Sequence[_Asked], params: dict[str, Any], query: Query
) -> int | Literal["id", "type"]:
    """The condition to read by: a selective equality, else a range with few rows, else none."""
    equal = [(_rank(item), number) for number, item in enumerate(asked) if _is_equality(item)]
    if equal and (query.sort == "stored" or min(equal)[0] < _UNSELECTIVE):
        return min(equal)[1]
    for number, item in enumerate(asked):
        if item.probe.kind != "updated" and not _is_equality(item) and query.sort == "stored":
            shape = Shape(0, (item.probe,), result="some")
            row = tx.one(search_statement(shape), **_binds(0, item), limit=FEW)
            if row is not None and row[0] < FEW:
                return number
    return "type"


_UNSELECTIVE: Final = 5


def _is_equality(item: _Asked) -> bool:
    return item.probe.kind in ("token", "reference", "uri") and all(form != "system" for form, _ in item.values)


def _rank(item: _Asked) -> int:
    """How many resources share a value of the parameter, roughly; the fewer, the lower."""
    parameter = item.condition.parameter
    many = 10 if len(item.condition.values) > _MANY_VALUES else 0
    if parameter.type == "token":
        if parameter.code.endswith("identifier"):
            return many
        return many + (6 if parameter.system or parameter.code.startswith("_") else 5)
    if parameter.type == "uri":
        return many + (6 if parameter.code.startswith("_") else 3)
    return many + (1 if "Patient" in parameter.targets else 2)


def _asked(tx: Transaction, condition: Condition, pid: int) -> _Asked | None:
    """The condition with its values grouped by how they are compared; None where no value can match."""
    kind = "updated" if condition.parameter == LAST_UPDATED else condition.parameter.type
    groups: dict[tuple[str, Any], list[dict[str, Any]]] = {}
    for value in condition.values:
        form = _form(tx, value)
        if form is not None:
            name, shared, columns = form
            listed = groups.setdefault((name, shared), [])
            if columns not in listed:
                listed.append(columns)
    if not groups:
        return None
    values = tuple((name, _filled(listed)) for (name, _), listed in groups.items())
    return _Asked(condition, Probe(kind, tuple(Group(name, len(listed)) for name, listed in values)), pid, values)


def _filled(listed: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The values, the last one repeated up to a power of two, so that there are few shapes."""
    size = 1 << (len(listed) - 1).bit_length()
    return (*listed, *([listed[-1]] * (size - len(listed))))


def _form(tx: Transaction, value: Value) -> tuple[str, Any, dict[str, Any]] | None:
    """How a value is compared: the form's name, what all values of its group share, and its bound columns.

    None for a value that no row can have.
    """
    match value:
        case TokenValue(None, code):
            return "code", None, {"code": code}
        case TokenValue(system, code):
            sid = parameters.system(tx, system or "")
            if sid is None:
                return None
            return ("system", None, {"sid": sid}) if code is None else ("system code", sid, {"sid": sid, "code": code})
        case ReferenceValue(None, id_):
            return "id", None, {"target_id": id_}
        case ReferenceValue(type_, id_):
            return "type id", type_, {"target_type": type_, "target_id": id_}
        case UriValue(text):
            return "uri", None, {"value": text}
        case StringValue(text):
            return "begins", None, {"low": text, "high": text + "\U0010ffff"}
        case DateValue(prefix, wanted):
            return prefix, None, {"low": wanted.low, "high": wanted.high}
        case NumberValue(prefix, exact, low, high):
            return prefix, None, {"exact": exact, "low": low, "high": high}
        case QuantityValue(number, system, code):
            return _quantity_form(tx, number, system, code)


def _quantity_form(
    tx: Transaction, number: NumberValue, system: str | None, code: str
) -> tuple[str, Any, dict[str, Any]] | None:
    columns: dict[str, Any] = {"exact": number.exact, "low": number.low, "high": number.high, "code": code}
    if system is None:
        return f"{number.prefix} {'code' if code else ''}".strip(), None, columns
    columns["sid"] = parameters.system(tx, system)
    if columns["sid"] is None:
        return None
    return f"{number.prefix} system{' code' if code else ''}", None, columns


def _binds(number: int, item: _Asked) -> dict[str, Any]:
    made: dict[str, Any] = {f"c{number}_pid": item.pid}
    for group, (_, listed) in enumerate(item.values):
        for place, columns in enumerate(listed):
            made.update((bound(number, group, place, name), value) for name, value in columns.items())
    return made


def _branches(plan: _Plan, query: Query, result: Result) -> list[tuple[Shape, dict[str, Any]]]:
    """The statements whose results make a page, merged: one for each value of the driving condition."""
    order: Order = _ORDERS[query.sort]
    params = {**plan.params, "limit": query.count + 1}
    if query.after is not None:
        params |= {"after_rid": query.after.rid, "after_updated": query.after.updated}
    shape = Shape(plan.driver, tuple(item.probe for item in plan.asked), order, query.after is not None, result)
    if plan.driver == "id":
        return [(shape, {**params, "id": id_}) for id_ in plan.ids]
    if plan.driver == "type" or not _is_equality(plan.asked[plan.driver]):
        return [(shape, params)]
    made = []
    driving = plan.asked[plan.driver]
    for form, listed in driving.values:
        for columns in {tuple(sorted(item.items())): item for item in listed}.values():
            one = replace(driving, probe=Probe(driving.probe.kind, (Group(form),)), values=((form, (columns,)),))
            probes = (*shape.probes[: plan.driver], one.probe, *shape.probes[plan.driver + 1 :])
            made.append((replace(shape, probes=probes), params | _binds(plan.driver, one)))
    return made


def _read(tx: Transaction, plan: _Plan, query: Query) -> list[Version]:
    """One resource more than the page holds, where there are so many."""
    found: dict[int, Version] = {}
    for shape, params in _branches(plan, query, "versions"):
        for row in tx.all(search_statement(shape), **params):
            found[row[0]] = Version(*row)
    # Each branch gives the first of its own, so the first of all are among them.
    versions = list(found.values())
    if query.sort == "stored":
        versions.sort(key=lambda item: item.rid)
    else:
        versions.sort(key=lambda item: (item.updated, item.rid), reverse=query.sort == "-updated")
    return versions[: query.count + 1]


def _total(tx: Transaction, plan: _Plan) -> int:
    shape = Shape(plan.driver, tuple(item.probe for item in plan.asked), result="count")
    if plan.driver != "id":
        row = tx.one(search_statement(shape), **plan.params)
        return int(row[0]) if row is not None else 0
    rows = [tx.one(search_statement(shape), **plan.params, id=id_) for id_ in plan.ids]
    return sum(int(row[0]) for row in rows if row is not None)
