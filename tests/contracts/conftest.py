"""One empty database per test, on SQLite and on PostgreSQL: what holds for one must hold for the other."""

import os
import shutil
import uuid

import pytest

from fhirplan.errors import Misconfigured
from fhirplan.store.engine import Database

SERVER = os.environ.get("FHIRPLAN_TEST_POSTGRESQL", "postgresql://root@127.0.0.1/test")


@pytest.fixture(scope="session")
def postgresql():
    psycopg = pytest.importorskip("psycopg")
    try:
        with psycopg.connect(SERVER, connect_timeout=2):
            return psycopg
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {SERVER}; FHIRPLAN_TEST_POSTGRESQL names another")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "fhirplan.db")
        made = Database.open(f"sqlite:///{tmp_path}/fhirplan.db")
        yield made
        made.close()
        return
    psycopg = request.getfixturevalue("postgresql")
    schema = f"t{uuid.uuid4().hex}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {schema}")
        made = Database.open(f"{SERVER}?options=-csearch_path%3D{schema}")
        try:
            made.migrate()
            yield made
        finally:
            made.close()
            server.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def refused():
    return Misconfigured
