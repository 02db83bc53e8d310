"""Chooses how a search is carried out: what is looked up first, and which index is then read along.

A condition through a reference is looked up first when few resources are at its other end: they take its place. Else
each candidate's reference is followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import bindparam, select

from fhirplan.catalog import ResourceSpec
from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Has, ReferenceValue, Some, TokenValue
from fhirplan.search.definitions import ID, SearchParameter
from fhirplan.search.query import Query
from fhirplan.store import parameters, tables
from fhirplan.store.engine import Row, Statement, Transaction, statement
from fhirplan.store.search import shapes
from fhirplan.store.search.nodes import Asked, Compiler, binds, filled, flattened, ids_of, spec_of
from fhirplan.store.search.shapes import NOTHING, Group, Node, Probe, Result, Shape
from fhirplan.store.search.statements import search_statement

# A condition on a range drives the search when fewer than so many rows match; otherwise resources are read in their
# order until the page is full, which is soon when many match.
FEW: Final = 2000
# As FEW, for a value that many may have in a search with an order.
FEW_EQUAL: Final = 500
# So many resources at the other end of a reference are looked up first.
FEW_ENDS: Final = 100
# Above so many values another index is preferred to one read per value.
_MANY_VALUES: Final = 16
_UNSELECTIVE: Final = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """A search for the database: ``driver`` as in Shape; ``ids`` are those of an ``_id`` that drives it."""

    query: Query
    driver: int | Literal["id", "type", "key"]
    nodes: tuple[Node, ...]
    keys: tuple[shapes.Key, ...]
    params: dict[str, Any]
    asked: dict[int, Asked]
    ids: tuple[str, ...] = ()
    keyless: Node | None = None


def plan(tx: Transaction, connection: str, query: Query, catalog: Mapping[str, ResourceSpec]) -> Plan | None:
    """How to carry the search out; None where nothing can match. Raises as ``search``."""
    compiler = Compiler(tx, connection, catalog, query.type)
    compiler.params["few"] = FEW
    ids: set[str] | None = None
    nodes: list[Node] = []
    codes: dict[int, SearchParameter] = {}
    for criterion in _apart(query.conditions):
        found = looked_up(tx, connection, query.type, criterion, catalog)
        if isinstance(found, Condition) and found.parameter is ID and not found.negated:
            ids = ids_of(found) if ids is None else ids & ids_of(found)
            continue
        node = compiler.node(query.type, found)
        if node == NOTHING:
            return None
        for part in flattened(node):
            for probe, parameter in _parameters(part, found):
                codes[probe.slot] = parameter
            nodes.append(part)
    if ids is not None and not ids:
        return None
    if query.sort and not parameters.any_stored(tx, connection, query.type):
        return None
    keys = tuple(column for key in query.sort for column in compiler.keys(query.type, key))
    if ids is not None:
        return Plan(query, "id", tuple(nodes), keys, compiler.params, compiler.asked, tuple(sorted(ids)))
    driver: int | Literal["type", "key"] = _driver(tx, nodes, keys, compiler.params, codes)
    keyless = None
    if driver == "type" and len(query.sort) == 1 and keys[0].kind not in ("updated", "id"):
        driver, keyless = "key", compiler.missing(keys[0])
    return Plan(query, driver, tuple(nodes), keys, compiler.params, compiler.asked, (), keyless)


def _apart(criteria: Sequence[Criterion]) -> list[Criterion]:
    """The criteria that must all hold, those of an Every one by one."""
    found: list[Criterion] = []
    for item in criteria:
        found.extend(_apart(item.parts) if isinstance(item, Every) else [item])
    return found


def _parameters(node: Node, criterion: Criterion) -> list[tuple[Probe, SearchParameter]]:
    """The probes of a part that an index can be read for, each with its parameter."""
    if isinstance(node, Probe) and isinstance(criterion, Condition):
        return [(node, criterion.parameter)]
    if isinstance(node, shapes.Any) and isinstance(criterion, Some) and len(node.parts) == len(criterion.parts):
        pairs = [_parameters(*pair) for pair in zip(node.parts, criterion.parts, strict=True)]
        return [pair[0] for pair in pairs] if all(len(pair) == 1 for pair in pairs) else []
    if isinstance(node, Probe) and isinstance(criterion, Some):
        # All parts but one were known to match nothing.
        listed = [part.parameter for part in criterion.parts if isinstance(part, Condition)]
        return [(node, listed[0])] if len(listed) == len(criterion.parts) else []
    return []


def _driver(
    tx: Transaction,
    nodes: Sequence[Node],
    keys: Sequence[shapes.Key],
    params: Mapping[str, Any],
    codes: Mapping[int, SearchParameter],
) -> int | Literal["type"]:
    """The part to read by: a selective equality, else what has few rows, else none."""
    equal = sorted((rank, number) for number, node in enumerate(nodes) if (rank := _rank(node, codes)) is not None)
    if equal and (not keys or equal[0][0] < _UNSELECTIVE):
        return equal[0][1]
    for _, number in equal:
        # With an order of its own, a search reads along that, which is long for a value that few have.
        node = nodes[number]
        if isinstance(node, Probe) and _has_few(tx, node, params, FEW_EQUAL):
            return number
    by_time = [key.kind for key in keys] == ["updated"]
    for number, node in enumerate(nodes):
        is_range = isinstance(node, Probe) and node.kind not in ("updated", "id") and not is_equality(node)
        if isinstance(node, Probe) and is_range and not by_time and _has_few(tx, node, params, FEW):
            return number
    return "type"


def _has_few(tx: Transaction, node: Probe, params: Mapping[str, Any], few: int) -> bool:
    """Whether fewer than ``few`` rows match; no more of them are looked at."""
    row = tx.one(search_statement(Shape(0, (node,), result="some")), **params, limit=few)
    return row is not None and row[0] < few


def is_equality(probe: Probe) -> bool:
    """Whether it asks for whole values, which an index keeps together."""
    return probe.kind in ("token", "reference", "uri") and all(group.form != "below" for group in probe.groups)


def _rank(node: Node, codes: Mapping[int, SearchParameter]) -> int | None:
    """How many resources share a value of the parameter, roughly; the fewer, the lower. None: not to be read by."""
    if isinstance(node, shapes.Any):
        ranks = [_rank(part, codes) for part in node.parts]
        known = [rank for rank in ranks if rank is not None]
        return max(known) if known and len(known) == len(ranks) else None
    if not isinstance(node, Probe) or not is_equality(node) or node.slot not in codes:
        return None
    parameter = codes[node.slot]
    many = 10 if sum(group.size for group in node.groups) > max(_MANY_VALUES, FEW_ENDS) else 0
    if any(group.form == "system" for group in node.groups):
        return many + 9
    if node.kind == "token":
        if parameter.code.endswith("identifier") or parameter.type == "reference":
            return many
        return many + (6 if parameter.system or parameter.code.startswith("_") else 5)
    if node.kind == "uri":
        return many + (6 if parameter.code.startswith("_") else 3)
    return many + (1 if "Patient" in parameter.targets else 2)


def branches(plan: Plan, result: Result) -> list[tuple[Shape, dict[str, Any]]]:
    """The statements whose results make a page, merged: one for each value of the driving condition."""
    query = plan.query
    params = {**plan.params, "limit": query.count + 1}
    after = None
    if query.after is not None:
        params["after_rid"] = query.after.rid
        params |= {f"k{place}": key for place, key in enumerate(query.after.keys)}
        after = tuple(key is not None for key in query.after.keys)
    shape = Shape(plan.driver, plan.nodes, plan.keys, after, result)
    if plan.driver == "key" and plan.keyless is not None:
        rest = replace(shape, driver="keyless", nodes=(*shape.nodes, plan.keyless))
        return [(rest, params)] if after is not None and not after[0] else [(shape, params), (_first(rest), params)]
    if plan.driver == "id":
        return [(shape, {**params, "id": id_}) for id_ in plan.ids]
    if not isinstance(plan.driver, int):
        return [(shape, params)]
    return _by_value(plan, plan.driver, shape, params)


def _first(rest: Shape) -> Shape:
    """What has no value comes after all that has one, so it is read from its beginning."""
    return replace(rest, after=None)


def _by_value(plan: Plan, driver: int, shape: Shape, params: dict[str, Any]) -> list[tuple[Shape, dict[str, Any]]]:
    node = plan.nodes[driver]
    if isinstance(node, Probe) and len(node.groups) == 1 and node.groups[0].size == 1:
        return [(shape, params)]
    made: list[tuple[Shape, dict[str, Any]]] = []
    for probe in node.parts if isinstance(node, shapes.Any) else (node,):
        if not isinstance(probe, Probe) or not is_equality(probe):
            return [(shape, params)]
        for form, listed in plan.asked[probe.slot]:
            for columns in {tuple(sorted(item.items())): item for item in listed}.values():
                one = Probe(probe.slot, probe.kind, (Group(form),))
                nodes = (*shape.nodes[:driver], one, *shape.nodes[driver + 1 :])
                made.append((replace(shape, nodes=nodes), params | binds(probe.slot, ((form, (columns,)),))))
    return made


def looked_up(
    tx: Transaction, connection: str, type: str, criterion: Criterion, catalog: Mapping[str, ResourceSpec]
) -> Criterion:
    """The criterion, or one of the same meaning on the resource itself where few decide it; raises as ``plan``."""
    if isinstance(criterion, Has):
        ids = ids_referred_to(tx, connection, type, criterion, catalog)
        return criterion if ids is None else Condition(ID, tuple(TokenValue(None, item) for item in ids))
    chains = [criterion] if isinstance(criterion, Chain) else []
    if isinstance(criterion, Some):
        chains = [part for part in criterion.parts if isinstance(part, Chain)]
        if len(chains) < len(criterion.parts):
            return criterion
    if not chains:
        return criterion
    ends: list[ReferenceValue] = []
    for chain in chains:
        found = _ends(tx, connection, chain.type, chain.inner, catalog)
        if found is None or len(ends) + len(found) > FEW_ENDS:
            return criterion
        ends.extend(ReferenceValue(chain.type, row[1]) for row in found)
    return Condition(chains[0].parameter, tuple(ends)) if ends else Some(())


def _ends(
    tx: Transaction, connection: str, type: str, inner: Criterion, catalog: Mapping[str, ResourceSpec]
) -> list[Row] | None:
    """The (rid, id) of all resources of a type that fulfil a criterion; None where they are more than few."""
    query = Query(type, (inner,), (), FEW_ENDS, "", None, "", ())
    made = plan(tx, connection, query, catalog)
    if made is None:
        return []
    rids: set[int] = set()
    for shape, params in branches(made, "positions"):
        rids.update(row[0] for row in tx.all(search_statement(shape), **params))
        if len(rids) > FEW_ENDS:
            return None
    return tx.all(_ids(len(listed)), **_bound(listed)) if (listed := _padded(rids)) else []


def ids_referred_to(
    tx: Transaction, connection: str, type: str, has: Has, catalog: Mapping[str, ResourceSpec]
) -> list[str] | None:
    """The ids of a type that the sources of a _has refer to; None where these are more than few."""
    found = _ends(tx, connection, has.type, has.inner, catalog)
    if not found:
        return None if found is None else []
    pid = parameters.searched(tx, connection, spec_of(catalog, has.type), has.parameter.code)
    rids = _padded({row[0] for row in found})
    rows = tx.all(_targets(len(rids)), **_bound(rids), pid=pid, type=type, limit=FEW_ENDS + 1)
    return None if len(rows) > FEW_ENDS else [row[0] for row in rows]


def _padded(rids: set[int]) -> list[int]:
    return [item["rid"] for item in filled([{"rid": item} for item in sorted(rids)])] if rids else []


def _bound(rids: Sequence[int]) -> dict[str, Any]:
    return {f"r{place}": rid for place, rid in enumerate(rids)}


@lru_cache(maxsize=32)
def _ids(count: int) -> Statement:
    table = tables.resource
    among = table.c.rid.in_([bindparam(f"r{place}") for place in range(count)])
    return statement(select(table.c.rid, table.c.id).where(among))


@lru_cache(maxsize=32)
def _targets(count: int) -> Statement:
    table = tables.index_reference
    among = table.c.rid.in_([bindparam(f"r{place}") for place in range(count)])
    return statement(
        select(table.c.target_id)
        .distinct()
        .where(among, table.c.pid == bindparam("pid"), table.c.target_type == bindparam("type"))
        .limit(bindparam("limit"))
    )
