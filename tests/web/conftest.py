"""A server over a real SQLite file, spoken to through Flask's test client."""

import itertools
import json
import shutil

import pytest

from fhirplan import assembly, settings
from fhirplan.store.engine import Database
from fhirplan.web.app import create_app

BASE = "http://127.0.0.1:8080/fhir"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def configured(tmp_path, empty_database):
    """Makes a server with the given settings; each has a database of its own."""
    numbers = itertools.count()
    opened = []

    def make(**given):
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(empty_database, path)
        chosen = {"auth": "open", "validation": "base", "database_url": f"sqlite:///{path}", **given}
        chosen.setdefault("data_dir", str(empty_database.parent))
        services = assembly.build(settings.load({}, **chosen))
        opened.append(services.database)
        return Api(create_app(services), services)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def api(configured):
    return configured()


class Api:
    """The server as a caller sees it: JSON in, JSON out."""

    def __init__(self, app, services):
        self.app, self.services = app, services
        self.client = app.test_client()

    def send(self, method, path, body=None, headers=None, base="/fhir", **kwargs):
        headers = dict(headers or {})
        if body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/fhir+json"
        data = body if isinstance(body, str | bytes | None) else json.dumps(body)
        url = f"{base}/{path}" if path else base
        return self.client.open(url, method=method, data=data, headers=headers, **kwargs)

    def get(self, path, **headers):
        return self.send("GET", path, headers=_named(headers))

    def put(self, resource, **headers):
        return self.send("PUT", f"{resource['resourceType']}/{resource['id']}", resource, _named(headers))

    def post(self, resource, **headers):
        return self.send("POST", resource["resourceType"], resource, _named(headers))

    def delete(self, path, **headers):
        return self.send("DELETE", path, headers=_named(headers))

    def bundle(self, kind, *entries, **headers):
        return self.send("POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)}, _named(headers))


def _named(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def patient():
    return {"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:mrn", "value": "1"}]}


@pytest.fixture
def goal():
    return {
        "resourceType": "Goal",
        "id": "g1",
        "lifecycleStatus": "active",
        "description": {"text": "Walk to the corner"},
        "subject": {"reference": "Patient/p1"},
    }


@pytest.fixture
def problem():
    """Checks that an answer is an OperationOutcome with this status and code, and gives its first issue."""

    def check(response, status, code):
        assert response.status_code == status, response.get_data(as_text=True)
        assert response.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
        assert response.headers["X-Request-Id"]
        outcome = response.get_json(force=True)
        assert outcome["resourceType"] == "OperationOutcome"
        issue = outcome["issue"][0]
        assert issue["code"] == code, outcome
        assert len(issue["details"]["text"]) > 20
        return issue

    return check
