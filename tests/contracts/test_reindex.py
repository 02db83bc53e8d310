"""Indexes are made anew in batches on both databases: while others write, and after a stop where it was."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from fhirplan.catalog import CATALOG, ResourceSpec, SearchParameter
from fhirplan.errors import InvalidSearch
from fhirplan.search.query import parse
from fhirplan.store import parameters, tables
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.reindex import _build, pending, reindex
from fhirplan.store.search.searching import search

ORIGIN = Origin("a", "b", "api", push=False)
TASK = CATALOG["Task"]
SPEC = ResourceSpec(
    "Task", search=(*TASK.search, SearchParameter("note-author", "reference", "Task.note.author")), patient=TASK.patient
)
WIDER = {"Task": SPEC}


def task():
    note = [{"authorReference": {"reference": "Practitioner/a"}, "text": "x"}]
    return {"resourceType": "Task", "status": "requested", "intent": "order", "note": note}


def write(database, *changes, catalog=CATALOG):
    with database.write() as tx:
        commit(tx, "default", changes, now=1, origin=ORIGIN, catalog=catalog)


def found(database):
    query = parse("Task", SPEC.parameters, parse_qsl("note-author=Practitioner/a&_count=500"))
    with database.read() as tx:
        return {item.id for item in search(tx, "default", query, spec=SPEC).versions}


@pytest.fixture
def filled(database):
    write(database, *(Change("create", "Task", f"t{n}", task()) for n in range(40)))
    return database


def test_a_stopped_run_goes_on_where_it_was(filled):
    class Stopped(Exception):
        pass

    def stop(done, _all):
        if done >= 20:
            raise Stopped

    with pytest.raises(Stopped):
        reindex(filled, "default", catalog=WIDER, batch=5, progress=stop)
    with pytest.raises(InvalidSearch):
        found(filled)
    seen = []
    assert reindex(filled, "default", catalog=WIDER, batch=5, progress=lambda *step: seen.append(step)) == 20
    assert seen[0] == (5, 40)
    assert len(found(filled)) == 40
    assert pending(filled, "default", catalog=WIDER) == ()


def test_others_write_meanwhile_and_nothing_of_it_is_missed(filled):
    def others(_done, _all):
        with ThreadPoolExecutor(2) as pool:
            number = next(names)
            created = pool.submit(write, filled, Change("create", "Task", f"new{number}", task()), catalog=WIDER)
            deleted = pool.submit(write, filled, Change("delete", "Task", f"t{number}"), catalog=WIDER)
            created.result(30)
            deleted.result(30)

    names = iter(range(100))
    reindex(filled, "default", catalog=WIDER, batch=10, progress=others)
    made = next(names)
    # 4 batches, and one for what came meanwhile.
    assert made == 5
    assert found(filled) == {*(f"t{n}" for n in range(made, 40)), *(f"new{n}" for n in range(made))}


def test_a_write_that_began_before_is_not_missed(filled):
    """On PostgreSQL it goes on beside the rebuild, and knows nothing of the new numbers."""
    if filled.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time, so that no write is under way when a rebuild begins")
    with ThreadPoolExecutor(1) as pool:
        with filled.write() as tx:
            commit(tx, "default", [Change("create", "Task", "late", task())], now=1, origin=ORIGIN)
            running = pool.submit(reindex, filled, "default", catalog=WIDER, batch=10)
            with pytest.raises(TimeoutError):
                running.result(0.5)
        running.result(30)
    assert "late" in found(filled)


def test_what_is_changed_while_it_is_indexed_is_found_as_it_became(filled):
    """The batch waits for a change that is under way, instead of indexing what the resource was before it."""
    if filled.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time, so that nothing changes within a batch")
    with filled.write() as tx:
        for spec in WIDER.values():
            parameters.numbers(tx, "default", spec)
    with ThreadPoolExecutor(1) as pool:
        with filled.write() as tx:
            plain = {key: value for key, value in task().items() if key != "note"}
            commit(tx, "default", [Change("update", "Task", "t7", plain)], now=1, origin=ORIGIN, catalog=WIDER)
            running = pool.submit(reindex_batch, filled)
            with pytest.raises(TimeoutError):
                running.result(0.5)
        running.result(30)
    reindex(filled, "default", catalog=WIDER)
    assert "t7" not in found(filled)
    assert len(found(filled)) == 39


def reindex_batch(database):
    return _build(database, "default", SPEC, "", 100)


def test_the_command_shows_how_far_it_is(filled, tmp_path):
    filled.close()
    done = subprocess.run(
        [sys.executable, "-c", "from fhirplan.cli.main import main; main()", "reindex", "--all"],
        env={"FHIRPLAN_DATABASE_URL": filled.url, "FHIRPLAN_DATA_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "40" in done.stdout + done.stderr


def test_migrations_make_the_tables_that_the_program_declares(database):
    """Tables, columns and indexes, compared by name."""
    from fhirplan.store.schema import HEAD

    assert database.revision() == HEAD
    url = database.url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        MigrationContext.configure(connection)
        there = sa.inspect(connection)
        for name, table in tables.metadata.tables.items():
            assert {item["name"] for item in there.get_columns(name)} == set(table.columns.keys()), name
            made = {item["name"] for item in there.get_indexes(name)}
            assert {str(item.name) for item in table.indexes} <= made, name
    engine.dispose()


def test_migrating_twice_changes_nothing(filled):
    filled.migrate()
    with filled.read() as tx:
        assert tx._driver.execute("SELECT count(*) FROM resource").fetchone() == (40,)
