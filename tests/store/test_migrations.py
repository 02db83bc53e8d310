"""The schema's history: up, down, the same as the metadata, and a clear word where it does not fit."""

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fhirplan.errors import Misconfigured
from fhirplan.store import schema
from fhirplan.store.engine import Database
from fhirplan.store.tables import metadata


def declared(path):
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
    connection.close()
    return {(kind, name): " ".join((sql or "").replace('"', "").split()) for kind, name, sql in rows}


def test_the_migrated_schema_is_the_metadata_to_the_letter(database, tmp_path):
    made = tmp_path / "metadata.db"
    engine = sa.create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    assert declared(tmp_path / "fhirplan.db") == declared(made)


def test_alembic_finds_nothing_to_change(database, url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_down_and_up_again(database, tmp_path):
    before = declared(tmp_path / "fhirplan.db")
    database.migrate("base")
    assert declared(tmp_path / "fhirplan.db") == {}
    assert database.revision() == ""
    database.migrate()
    assert declared(tmp_path / "fhirplan.db") == before


def test_migrating_twice_changes_nothing(database):
    database.migrate()
    assert database.revision() == schema.HEAD


def test_the_head_we_check_for_is_alembics_head():
    assert ScriptDirectory.from_config(schema.configuration()).get_current_head() == schema.HEAD


def test_index_tables_have_no_rowid(database, tmp_path):
    for (kind, name), sql in declared(tmp_path / "fhirplan.db").items():
        if kind == "table" and name.startswith("index_"):
            assert sql.endswith("WITHOUT ROWID"), name


def test_opening_creates_nothing_and_a_missing_file_is_reported(url, tmp_path):
    database = Database.open(url)
    assert database.revision() == ""
    with pytest.raises(Misconfigured) as refused, database.read():
        pass
    assert "fhirplan migrate" in refused.value.text
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_reported_with_what_to_do(url, tmp_path):
    sqlite3.connect(tmp_path / "fhirplan.db").execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(Misconfigured) as refused, Database.open(url).write():
        pass
    assert "fhirplan migrate" in refused.value.text


def test_a_newer_database_is_reported_and_never_touched(database, url, tmp_path):
    with database.write() as tx:
        tx._driver.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = declared(tmp_path / "fhirplan.db")
    with pytest.raises(Misconfigured) as refused, Database.open(url).read():
        pass
    assert "newer fhirplan" in refused.value.text
    with pytest.raises(Misconfigured):
        Database.open(url).migrate()
    assert declared(tmp_path / "fhirplan.db") == before


def test_serving_imports_no_alembic():
    program = "import sys, fhirplan.store.commit, fhirplan.store.search.searching; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
