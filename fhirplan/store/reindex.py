"""Makes search indexes anew, in batches, while everything else goes on; a stopped run is taken up where it was.

Rows are made under a new number of the parameter, which commits write to from then on as well and searches do not
read. When all resources are done the new number takes the old one's place, and the old rows are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, func, select, tuple_, update

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.store import indexes, parameters
from fhirplan.store.engine import Database, Row, Statement, Transaction, statement
from fhirplan.store.tables import resource, search_param, version
from fhirplan.store.versions import resource_of

# Called with the number of resources done and of all.
Progress = Callable[[int, int], None]
BATCH: Final = 200
_REMOVED_AT_ONCE: Final = 5000

_OF_TYPE: Final = (
    resource.c.connection == bindparam("connection"),
    resource.c.type == bindparam("type"),
    resource.c.deleted == 0,
)
_COUNT: Final = statement(select(func.count()).select_from(resource).where(*_OF_TYPE))
_NEXT: Final = statement(
    select(resource.c.rid, version.c.body)
    .select_from(resource.join(version, version.c.vid == resource.c.vid))
    .where(*_OF_TYPE, resource.c.rid > bindparam("after"))
    .order_by(resource.c.rid)
    .limit(bindparam("count"))
)
# On PostgreSQL nobody changes them until they are indexed; in one order, so that nobody waits in a circle.
_HELD: Final = statement(
    select(resource.c.rid)
    .where(
        resource.c.rid.in_(
            select(resource.c.rid)
            .where(*_OF_TYPE, resource.c.rid > bindparam("after"))
            .order_by(resource.c.rid)
            .limit(bindparam("count"))
        )
    )
    .order_by(resource.c.id)
    .with_for_update(read=True)
)
_BUILDING: Final = statement(
    select(search_param.c.pid, search_param.c.code, search_param.c.built)
    .where(search_param.c.connection == bindparam("connection"), search_param.c.type == bindparam("type"))
    .where(search_param.c.state == "building")
)
_REACHED: Final = statement(
    update(search_param).where(search_param.c.pid == bindparam("number")).values(built=bindparam("reached"))
)
_STATE: Final = statement(
    update(search_param).where(search_param.c.pid == bindparam("number")).values(state=bindparam("next"))
)
_RETIRED: Final = statement(
    select(search_param.c.pid).where(
        search_param.c.connection == bindparam("connection"), search_param.c.state == "retired"
    )
)
_FORGET: Final = statement(delete(search_param).where(search_param.c.pid == bindparam("number")))


def _removal(table: Table) -> Statement:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(table.c.pid == bindparam("number")).limit(_REMOVED_AT_ONCE)
    return statement(delete(table).where(key.in_(some)))


_REMOVE: Final = tuple(_removal(table) for table in indexes.TABLES.values())


def pending(
    database: Database, connection: str, *, catalog: Mapping[str, ResourceSpec] = CATALOG
) -> tuple[tuple[str, str], ...]:
    """The parameters, as (type, code), that cannot be searched until ``reindex`` has run."""
    found: list[tuple[str, str]] = []
    with database.read() as tx:
        for spec in catalog.values():
            if parameters.any_stored(tx, connection, spec.type):
                numbers = parameters.numbers(tx, connection, spec)
                codes = (item.code for item in parameters.indexed(spec))
                found.extend((spec.type, code) for code in codes if code not in numbers or not numbers[code].active)
    return tuple(found)


def reindex(
    database: Database,
    connection: str,
    *,
    progress: Progress = lambda _done, _all: None,
    everything: bool = False,
    catalog: Mapping[str, ResourceSpec] = CATALOG,
    base: str = "",
    batch: int = BATCH,
) -> int:
    """Makes the missing indexes of a connection, or all of them with ``everything``; gives the resources gone through.

    Whatever is written meanwhile is indexed too. ``base`` is the url of our FHIR endpoint, as for ``commit``.
    """
    work = [spec for spec in catalog.values() if _begin(database, connection, spec, everything=everything)]
    if work:
        # Whoever began to write before does not know of the new numbers.
        database.settle()
    with database.read() as tx:
        total = sum(_count(tx, connection, spec) for spec in work)
    done = 0
    for spec in work:
        while (made := _build(database, connection, spec, base, batch)) > 0:
            done += made
            progress(done, max(total, done))
            # What comes after these was written meanwhile, and so is indexed; to go on would never end under load.
            if made < batch:
                break
        _finish(database, connection, spec)
    _remove_retired(database, connection)
    return done


def _begin(database: Database, connection: str, spec: ResourceSpec, *, everything: bool) -> bool:
    """Gives each parameter that needs it a number to build under; whether there is something to build."""
    with database.write() as tx:
        numbers = parameters.numbers(tx, connection, spec)
        if everything and parameters.any_stored(tx, connection, spec.type):
            again = [item for item in parameters.indexed(spec) if len(numbers[item.code].written) == 1]
            parameters.declare(tx, connection, spec.type, [item for item in again if numbers[item.code].active])
        return bool(tx.all(_BUILDING, connection=connection, type=spec.type))


def _count(tx: Transaction, connection: str, spec: ResourceSpec) -> int:
    row = tx.one(_COUNT, connection=connection, type=spec.type)
    return int(row[0]) if row is not None else 0


def _build(database: Database, connection: str, spec: ResourceSpec, base: str, batch: int) -> int:
    """Indexes the next resources, in one transaction; gives how many there were."""
    with database.write() as tx:
        building = tx.all(_BUILDING, connection=connection, type=spec.type)
        if not building:
            return 0
        after = min(built for _, _, built in building)
        asked = {"connection": connection, "type": spec.type, "after": after, "count": batch}
        held = {row[0] for row in tx.all(_HELD, **asked)}
        if not held:
            return 0
        # Read only now, since what they were before somebody let go of them is not what they are.
        found = [row for row in tx.all(_NEXT, **asked) if row[0] in held]
        _index(tx, spec, building, found, base)
        for pid, _, _ in building:
            tx.run(_REACHED, number=pid, reached=max(held))
        return len(held)


def _index(tx: Transaction, spec: ResourceSpec, building: Sequence[Row], found: Sequence[Row], base: str) -> None:
    numbers = {code: parameters.Numbers(None, (pid,)) for pid, code, _ in building}
    rows_of = indexes.rows_of(spec, base)
    changes = indexes.Changes(tx)
    for rid, body in found:
        changes.add(rid, (row for row in rows_of(resource_of(body)) if row[0] in numbers), numbers)
    changes.write()


def _finish(database: Database, connection: str, spec: ResourceSpec) -> None:
    with database.write() as tx:
        numbers = parameters.numbers(tx, connection, spec)
        for pid, code, _ in tx.all(_BUILDING, connection=connection, type=spec.type):
            for old in numbers[code].written:
                if old != pid:
                    tx.run(_STATE, number=old, next="retired")
            tx.run(_STATE, number=pid, next="active")
        parameters.changed(tx)


def _remove_retired(database: Database, connection: str) -> None:
    with database.read() as tx:
        retired: list[Any] = [row[0] for row in tx.all(_RETIRED, connection=connection)]
    for pid in retired:
        for removal in _REMOVE:
            removed = _REMOVED_AT_ONCE
            while removed == _REMOVED_AT_ONCE:
                with database.write() as tx:
                    removed = tx.run(removal, number=pid)
        with database.write() as tx:
            tx.run(_FORGET, number=pid)
