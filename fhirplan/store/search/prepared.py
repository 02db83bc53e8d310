"""Keeps how plain searches are carried out, so that only their values are new: the page of a patient's active plans.

Plain is a search in the order of storing whose conditions ask for one value each, one of them by an equality: then
nothing that is stored decides which index is read, and the statement is the same for all values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.catalog import ResourceSpec
from fhirplan.search.criteria import Condition
from fhirplan.search.definitions import ID, LAST_UPDATED
from fhirplan.search.query import Query
from fhirplan.store import parameters
from fhirplan.store.engine import Statement, Transaction
from fhirplan.store.search.compare import bound
from fhirplan.store.search.nodes import form_of
from fhirplan.store.search.plan import branches, is_equality, plan
from fhirplan.store.search.shapes import Probe
from fhirplan.store.search.statements import search_statement

_MEMORY: Final = "prepared searches"
_MOST: Final = 2048
_Form = tuple[str, Any, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement, what is bound to it whatever the values, and for each condition the names of its columns."""

    statement: Statement
    fixed: Mapping[str, Any]
    names: Sequence[Sequence[tuple[str, str]]]


def prepared(
    tx: Transaction, connection: str, query: Query, catalog: Mapping[str, ResourceSpec]
) -> tuple[Statement, dict[str, Any]] | None:
    """The statement of a plain search's page and what to bind; None for any other. Raises as ``search_plan.plan``."""
    if query.sort or query.words or not query.conditions:
        return None
    forms: list[_Form] = []
    asked: list[tuple[str, str, Any]] = []
    for item in query.conditions:
        if type(item) is not Condition or item.negated or len(item.values) > 1 or item.parameter in (ID, LAST_UPDATED):
            return None
        form = form_of(tx, item.values[0])
        if form is None:
            return None
        forms.append(form)
        asked.append((item.parameter.code, form[0], form[1]))
    known: dict[Any, _Prepared | None] = tx.database.memory.setdefault(_MEMORY, {})
    spec, number = catalog.get(query.type), parameters.generation_of(tx)
    if number < 0:
        return None
    key = (connection, number, query.type, spec, query.after is None, *asked)
    if key not in known:
        if len(known) >= _MOST:
            known.clear()
        known[key] = _prepared(tx, connection, query, catalog, forms)
    found = known[key]
    if found is None:
        return None
    params = {**found.fixed, "limit": query.count + 1}
    if query.after is not None:
        params["after_rid"] = query.after.rid
    for names, (_, _, columns) in zip(found.names, forms, strict=True):
        for name, column in names:
            params[name] = columns[column]
    return found.statement, params


def _prepared(
    tx: Transaction, connection: str, query: Query, catalog: Mapping[str, ResourceSpec], forms: Sequence[_Form]
) -> _Prepared | None:
    made = plan(tx, connection, query, catalog)
    if made is None or not isinstance(made.driver, int) or len(made.nodes) != len(forms):
        return None
    # The probes are numbered in the order of the conditions.
    slots = [node.slot for node in made.nodes if isinstance(node, Probe)]
    driver = made.nodes[made.driver]
    if slots != list(range(len(forms))) or not isinstance(driver, Probe) or not is_equality(driver):
        return None
    [(shape, params)] = branches(made, "versions")
    names = [[(bound(slot, 0, 0, column), column) for column in form[2]] for slot, form in enumerate(forms)]
    values = {name for listed in names for name, _ in listed} | {"limit", "after_rid"}
    fixed = {name: value for name, value in params.items() if name not in values}
    return _Prepared(search_statement(shape), fixed, names)
