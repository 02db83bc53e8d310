"""A server with its projection at a clock that a test sets."""

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from fhirplan import assembly, settings
from fhirplan.cli.load import load
from fhirplan.projection.project import project_due
from fhirplan.web.app import create_app

ROOT = Path(__file__).parents[2]
SCENARIOS = json.loads((ROOT / "fixtures" / "scenarios.json").read_text())["scenarios"]


def pytest_generate_tests(metafunc):
    """Runs a test that asks for a ``scenario`` once for each sample bundle."""
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize("scenario", SCENARIOS, ids=[one["id"] for one in SCENARIOS])


class Clinic:
    """A server over a real file, spoken to over HTTP, whose clock stands where it is put."""

    def __init__(self, path, when, zone, **given):
        chosen = {"auth": "open", "database_url": f"sqlite:///{path}", "time_zone": zone, **given}
        self.settings = settings.load({}, **chosen)
        self.now = 0
        self.at(when)
        self.services = replace(assembly.build(self.settings), clock=lambda: self.now)
        self.client = create_app(self.services).test_client()
        connection = self.settings.default_connection
        self.to = assembly.build_projection(self.settings, self.services, connection)

    def at(self, when):
        self.now = int(datetime.fromisoformat(when).timestamp() * 1000)

    def load(self, name):
        done = load(self.services, "default", ROOT / "fixtures" / "bundles" / name)
        assert done.status == 200, done.issues

    def project(self):
        return project_due(self.to)

    def get(self, path, status=200):
        response = self.client.get(f"/fhir/{path}")
        assert response.status_code == status, response.get_data(as_text=True)
        return response.get_json(force=True)

    def found(self, query):
        return [item["resource"] for item in self.get(query).get("entry", [])]

    def put(self, resource, status=200):
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        response = self.client.put(path, data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == status, response.get_data(as_text=True)
        return response.get_json(force=True)

    def edit(self, ref, **changed):
        made = {**self.get(ref), **changed}
        return self.put({key: value for key, value in made.items() if value is not None})


@pytest.fixture
def clinic(tmp_path, empty_database):
    opened = []

    def make(when, zone="America/Chicago", **given):
        path = tmp_path / f"{len(opened)}.db"
        shutil.copy(empty_database, path)
        opened.append(Clinic(path, when, zone, **given))
        return opened[-1]

    yield make
    for one in opened:
        one.services.database.close()
