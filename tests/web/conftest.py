"""A server over a real SQLite file, spoken to through Flask's test client."""

import itertools
import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhirplan import assembly, settings
from fhirplan.web.app import create_app

BASE = "http://127.0.0.1:8080/fhir"


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


BUNDLE = Path(__file__).resolve().parents[2] / "fixtures" / "bundles" / "b01-hf-home-health.json"
CHART = "/chart/patients/pat-hf"
NOW = int(datetime(2026, 3, 9, 13, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def nurse(configured):
    """A browser without script on the chart of the first sample patient, at the bundle's own clock."""
    api = configured(validation="case-management", time_zone="America/Chicago")
    services = replace(api.services, clock=lambda: NOW)
    api.app = create_app(services)
    api.client = api.app.test_client()
    assert api.send("POST", "", BUNDLE.read_text(encoding="utf-8")).status_code == 200
    return Nurse(api)


class Nurse:
    def __init__(self, api):
        self.api = api

    def see(self, path, status=200):
        answer = self.api.client.get(path if path.startswith("/chart") else CHART + path)
        assert answer.status_code == status
        return answer.get_data(as_text=True)

    def fill(self, page, action, form=0, **typed):
        """The form of a page with that action: what stands in its fields, and what is typed over it."""
        text = self.see(page)
        forms = [part for part in text.split("<form")[1:] if f'action="{CHART}{action}"' in part]
        part = forms[form].partition("</form>")[0]
        values = {}
        for tag in re.findall(r"<input[^>]*>", part):
            found = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
            if found.get("type") in ("radio", "checkbox") and "checked" not in tag:
                continue
            if "name" in found:
                values[found["name"]] = found.get("value", "")
        for name, inside in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', part, re.S):
            chosen = re.search(r'value="([^"]*)" selected', inside) or re.search(r'value="([^"]*)"', inside)
            values[name] = chosen[1] if chosen else ""
        for name, inside in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', part, re.S):
            values[name] = inside
        return {**values, **typed}

    def send(self, action, values, status=303):
        answer = self.api.client.post(CHART + action, data=values)
        assert answer.status_code == status, answer.get_data(as_text=True).partition("<main")[2][:1500]
        return answer.get_data(as_text=True) if status != 303 else answer.headers["Location"]

    def stored(self, ref):
        return self.api.get(ref).get_json(force=True)
