"""A migrated SQLite database and a Task like those of a real plan."""

import shutil

import pytest

from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database

ORIGIN = Origin("Practitioner/nurse", "request-1", "api", push=True)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/fhirplan.db"


@pytest.fixture
def database(url, tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "fhirplan.db")
    made = Database.open(url)
    yield made
    made.close()


@pytest.fixture
def task():
    def make(patient="p1", status="requested", **more):
        return {
            "resourceType": "Task",
            "status": status,
            "intent": "order",
            "for": {"reference": f"Patient/{patient}"},
            "owner": {"reference": "Practitioner/nurse"},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "736353004"}]},
            "authoredOn": "2026-11-02T09:30:00Z",
            "restriction": {"period": {"end": "2026-11-20"}},
            **more,
        }

    return make


@pytest.fixture
def write(database):
    def do(*changes, now=1_700_000_000_000, origin=ORIGIN, **more):
        with database.write() as tx:
            return commit(tx, "default", changes, now=now, origin=origin, **more)

    return do


@pytest.fixture
def create(write):
    def do(resource, id, **more):
        return write(Change("create", resource["resourceType"], id, resource), **more)[0]

    return do


@pytest.fixture
def count(database):
    """Rows of a table."""

    def do(table, where="1 = 1"):
        with database.read() as tx:
            return tx._driver.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]

    return do
