"""Knows the numbers that index rows carry instead of names: of search parameters and of code systems.

What is read is remembered per process. ``setting`` counts the changes of ``search_param``, so that a process sees
when another one has begun or ended a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import bindparam, exists, literal, select, update

from fhirplan.catalog import ResourceSpec
from fhirplan.errors import InvalidSearch
from fhirplan.search.definitions import ID, LAST_UPDATED, SearchParameter
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import coding_system, resource, search_param, setting

_GENERATION: Final = "search-parameters"
_MEMORY: Final = "parameters"
_CHANGED: Final = "parameters changed"
_SYSTEMS: Final = "systems"
_MOST_SYSTEMS: Final = 10_000
# The number of "no system", which has no row.
NO_SYSTEM: Final = 0


@dataclass(frozen=True, slots=True)
class Numbers:
    """A parameter's rows are searched under ``active`` and written under each of ``written``.

    ``active`` is None while the rows are being made, or must be.
    """

    active: int | None
    written: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    generation: int
    types: dict[tuple[str, ResourceSpec], tuple[Mapping[str, Numbers], bool]] = field(default_factory=dict)


_READ_GENERATION: Final = statement(select(setting.c.value).where(setting.c.name == _GENERATION))
_FIRST_GENERATION: Final = insertion(setting, or_ignore=True)
_NEXT_GENERATION: Final = statement(
    update(setting).where(setting.c.name == bindparam("key")).values(value=bindparam("next"))
)
_OF_TYPE: Final = statement(
    select(search_param.c.pid, search_param.c.code, search_param.c.definition, search_param.c.state)
    .where(search_param.c.connection == bindparam("connection"), search_param.c.type == bindparam("type"))
    .where(search_param.c.state != "retired")
    .order_by(search_param.c.pid)
)
_INSERT: Final = insertion(search_param, without=("pid",))
_RETIRE: Final = statement(
    update(search_param).where(search_param.c.pid == bindparam("number")).values(state="retired")
)
_ANY_RESOURCE: Final = statement(
    select(literal(1)).where(
        exists().where(resource.c.connection == bindparam("connection"), resource.c.type == bindparam("type"))
    )
)
_SYSTEM: Final = statement(select(coding_system.c.sid).where(coding_system.c.uri == bindparam("uri")))
_NEW_SYSTEM: Final = insertion(coding_system, without=("sid",), or_ignore=True)


@cache
def indexed(spec: ResourceSpec) -> tuple[SearchParameter, ...]:
    """The parameters of a type that have index rows."""
    return tuple(item for item in spec.parameters if item not in (ID, LAST_UPDATED))


def generation(tx: Transaction) -> int:
    """How often the parameters' numbers have changed."""
    row = tx.one(_READ_GENERATION)
    return int(row[0]) if row is not None else 0


def generation_of(tx: Transaction) -> int:
    """As ``generation``, read once in a transaction; what depends on the numbers holds as long as it stays the same.

    It is -1 in a transaction that has changed them itself, where nothing may be remembered.
    """
    return -1 if _CHANGED in tx.notes else _known(tx).generation


def changed(tx: Transaction) -> None:
    """Tells all processes that ``search_param`` has changed."""
    tx.run(_FIRST_GENERATION, name=_GENERATION, value="0")
    tx.run(_NEXT_GENERATION, key=_GENERATION, next=str(generation(tx) + 1))
    # This may still be undone, so from here on the transaction neither trusts nor feeds the process's memory.
    tx.notes[_CHANGED] = True


def numbers(tx: Transaction, connection: str, spec: ResourceSpec) -> Mapping[str, Numbers]:
    """The numbers of a type's parameters by code, as far as there are any; a write gives numbers to all of them.

    A parameter that is new, or declared differently than its rows were made by, is searched at once where nothing of
    its type is stored, and otherwise only after a rebuild.
    """
    types = {} if _CHANGED in tx.notes else _known(tx).types
    found, complete = types.get((connection, spec), ({}, False))
    if complete or (found and not tx.writing):
        return found
    rows = tx.all(_OF_TYPE, connection=connection, type=spec.type)
    stale = _stale(rows, spec)
    if stale and tx.writing:
        tx.alone(_GENERATION)
        rows = tx.all(_OF_TYPE, connection=connection, type=spec.type)
        stale = _stale(rows, spec)
    if stale and tx.writing:
        codes = {item.code for item in stale}
        for pid, code, _, _ in rows:
            if code in codes:
                tx.run(_RETIRE, number=pid)
        declare(tx, connection, spec.type, stale)
        rows = tx.all(_OF_TYPE, connection=connection, type=spec.type)
        return _by_code(rows, spec)
    found = _by_code(rows, spec)
    types[connection, spec] = found, not stale
    return found


def searched(tx: Transaction, connection: str, spec: ResourceSpec, code: str) -> int | None:
    """The number to search a parameter under, None where nothing can match because nothing of the type is stored.

    Raises InvalidSearch while the parameter's rows are not made yet.
    """
    found = numbers(tx, connection, spec).get(code)
    if found is not None and found.active is not None:
        return found.active
    if found is None and not any_stored(tx, connection, spec.type):
        return None
    raise InvalidSearch(
        f"{spec.type} cannot be searched by {code} yet: its index has to be made first. Run: fhirplan reindex",
        expression=code,
    )


def any_stored(tx: Transaction, connection: str, type: str) -> bool:
    """Whether anything of a type was ever stored."""
    return tx.one(_ANY_RESOURCE, connection=connection, type=type) is not None


def declare(tx: Transaction, connection: str, type: str, new: Iterable[SearchParameter]) -> None:
    """Gives parameters a new number: to be built where something of the type is stored, else searched at once."""
    state = "building" if any_stored(tx, connection, type) else "active"
    named = {"connection": connection, "type": type, "state": state, "built": 0}
    tx.many(_INSERT, [{**named, "code": item.code, "definition": item.definition} for item in new])
    changed(tx)


def system(tx: Transaction, uri: str) -> int | None:
    """The number of a code system; None, only outside of a write, for one that no index row has."""
    if not uri:
        return NO_SYSTEM
    memory: dict[str, int] = tx.database.memory.setdefault(_SYSTEMS, {})
    known = memory.get(uri)
    if known is not None:
        return known
    row = tx.one(_SYSTEM, uri=uri)
    if row is None:
        if not tx.writing:
            return None
        tx.run(_NEW_SYSTEM, uri=uri)
        row = tx.one(_SYSTEM, uri=uri)
    number = int(row[0]) if row is not None else NO_SYSTEM

    def remember() -> None:
        if len(memory) >= _MOST_SYSTEMS:
            memory.clear()
        memory[uri] = number

    tx.after_commit(remember)
    return number


def _known(tx: Transaction) -> _Known:
    noted: _Known | None = tx.notes.get(_MEMORY)
    if noted is None:
        now = generation(tx)
        noted = tx.database.memory.get(_MEMORY)
        if noted is None or noted.generation != now:
            noted = tx.database.memory[_MEMORY] = _Known(now)
        tx.notes[_MEMORY] = noted
    return noted


def _stale(rows: Iterable[Any], spec: ResourceSpec) -> list[SearchParameter]:
    have = {(code, definition) for _, code, definition, _ in rows}
    return [item for item in indexed(spec) if (item.code, item.definition) not in have]


def _by_code(rows: Iterable[Any], spec: ResourceSpec) -> dict[str, Numbers]:
    declared = {item.code: item.definition for item in indexed(spec)}
    found: dict[str, Numbers] = {}
    for pid, code, definition, state in rows:
        if declared.get(code) == definition:
            before = found.get(code, Numbers(None, ()))
            found[code] = Numbers(pid if state == "active" else before.active, (*before.written, pid))
    return found
