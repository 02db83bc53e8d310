"""A database that was copied holds what the other held, and goes on counting where that one was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from fhirplan.errors import Misconfigured
from fhirplan.store import schema
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.copying import copy
from fhirplan.store.engine import Database
from fhirplan.store.tables import metadata, outbox
from fhirplan.store.versions import current

ORIGIN = Origin("nurse", "r1", "api", push=True)


def write(to: Database, *ids: str) -> None:
    changes = [Change("create", "Task", id_, {"resourceType": "Task", "id": id_, "status": "draft"}) for id_ in ids]
    with to.write() as tx:
        commit(tx, "default", changes, now=1, origin=ORIGIN)


def rows(of: Database) -> dict[str, list[tuple[Any, ...]]]:
    with schema.connected(of.url) as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table)).fetchall()), key=repr)
            for table in metadata.sorted_tables
        }


def numbers(of: Database) -> list[int]:
    with schema.connected(of.url) as connection:
        return list(connection.execute(select(outbox.c.oid).order_by(outbox.c.oid)).scalars())


@pytest.fixture
def other(tmp_path: Path) -> Any:
    made = Database.open(f"sqlite:///{tmp_path}/other.db")
    made.migrate()
    yield made
    made.close()


@pytest.mark.parametrize("back", [False, True])
def test_what_was_copied_is_the_same_and_can_be_written_to(back: bool, database: Database, other: Database) -> None:
    source, target = (database, other) if back else (other, database)
    write(source, "t1", "t2", "t3")
    newest = max(numbers(source))
    with schema.connected(source.url) as connection, connection.begin():
        connection.execute(delete(outbox).where(outbox.c.oid == newest))
    before = rows(source)
    told = dict(copy(source.url, target.url))
    assert rows(target) == rows(source) == before
    assert told["version"] == 3
    write(target, "t4")
    assert numbers(target) == [1, 2, 4], "a number that was given once is not given again"
    with target.read() as tx:
        assert current(tx, "default", "Task", "t4") is not None
        assert current(tx, "default", "Task", "t1") is not None


def test_nothing_is_copied_over_what_is_there(database: Database, other: Database) -> None:
    write(other, "t1")
    write(database, "mine")
    before = rows(database)
    with pytest.raises(Misconfigured) as refused:
        list(copy(other.url, database.url))
    assert "holds something already" in refused.value.text
    assert rows(database) == before


def test_a_copy_that_breaks_off_leaves_nothing(database: Database, other: Database) -> None:
    write(other, "t1")
    before = rows(database)
    for name, _ in copy(other.url, database.url):
        if name == "version":
            break
    assert rows(database) == before


def test_a_database_of_another_schema_is_not_copied(database: Database, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        list(copy(f"sqlite:///{tmp_path}/none.db", database.url))
    assert "is not there or has no tables" in refused.value.text


def test_rows_that_a_database_has_from_the_start_do_not_stand_in_the_way(database: Database, other: Database) -> None:
    setting = metadata.tables["setting"]
    with schema.connected(other.url) as connection, connection.begin():
        connection.execute(delete(setting))
        connection.execute(insert(setting), [{"name": "a", "value": "b"}])
    list(copy(other.url, database.url))
    assert rows(database)["setting"] == rows(other)["setting"]
