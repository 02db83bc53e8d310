"""A server that takes access tokens, and tokens for it signed with a key of the test's own."""

import itertools
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fhirplan import assembly, settings
from fhirplan.interactions.issuers import Issuers
from fhirplan.web.app import create_app
from tests.issuing import BASE, OWN, signed


@contextmanager
def servers(folder, empty_database):
    """Makes servers with the given settings; each has a database of its own.

    With ``others`` it takes the tokens of the issuers in the settings besides the test's own.
    """
    numbers = itertools.count()
    opened = []

    def make(*, others=False, **given):
        path = folder / f"{next(numbers)}.db"
        shutil.copy(empty_database, path)
        chosen = {"auth": "smart", "validation": "base", "database_url": f"sqlite:///{path}", **given}
        services = assembly.build(settings.load({}, **chosen))
        revoked = set()
        listed = (OWN, *(item for item in services.issuers.all if others and not item.own))
        issuers = Issuers(listed, lambda gid, jti: bool({gid, jti} & revoked - {""}))
        made = Guarded(replace(services, issuers=issuers), revoked, path)
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.end()


@pytest.fixture
def configured(tmp_path, empty_database):
    with servers(tmp_path, empty_database) as make:
        yield make


@pytest.fixture
def guarded(configured):
    return configured()


class Guarded:
    """The server as callers with tokens see it; ``revoked`` are grants and tokens that no longer count."""

    def __init__(self, services, revoked, path):
        self.services, self.revoked, self.path = services, revoked, path
        self.app = create_app(services)
        self.client = self.app.test_client()
        self.root = self.caller("system/*.cruds system/AuditEvent.rs", client_id="root")

    def end(self):
        """Closes its database and takes the files away: many worlds would fill a disk."""
        self.services.accesses.keep()
        self.services.database.close()
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()

    def token(self, scope, **claims):
        return signed(scope, **claims)

    def caller(self, scope, **claims):
        return Caller(self.client, self.token(scope, **claims))

    def load(self, *resources):
        for resource in resources:
            answer = self.root.put(resource)
            assert answer.status_code in (200, 201), answer.get_data(as_text=True)


class Caller:
    """Somebody with an access token."""

    def __init__(self, client, token):
        self.client, self.token = client, token

    def send(self, method, path, body=None, headers=None):
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
        data = body if isinstance(body, str | bytes | None) else json.dumps(body)
        return self.client.open(f"/fhir/{path}" if path else "/fhir", method=method, data=data, headers=sent)

    def get(self, path, **headers):
        return self.send("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def put(self, resource, **headers):
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send("PUT", f"{resource['resourceType']}/{resource['id']}", resource, named)

    def post(self, resource, **headers):
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send("POST", resource["resourceType"], resource, named)

    def delete(self, path):
        return self.send("DELETE", path)

    def patch(self, path, operations):
        return self.send("PATCH", path, operations, {"Content-Type": "application/json-patch+json"})

    def bundle(self, kind, *entries):
        return self.send("POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})

    def found(self, path):
        """The type/id of each entry of the Bundle that a path gives, next pages too."""
        names, page = [], path
        while page:
            answer = self.get(page)
            assert answer.status_code == 200, answer.get_data(as_text=True)
            bundle = answer.get_json(force=True)
            for entry in bundle.get("entry", []):
                if entry.get("resource", {}).get("resourceType") != "OperationOutcome":
                    names.append(entry["fullUrl"].removeprefix(f"{BASE}/"))
            following = [link["url"] for link in bundle.get("link", []) if link["relation"] == "next"]
            page = following[0].removeprefix(f"{BASE}/") if following else ""
        return names


def goal(id_, patient, **more):
    return {
        "resourceType": "Goal",
        "id": id_,
        "lifecycleStatus": "active",
        "description": {"text": f"Goal {id_}"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def task(id_, patient, **more):
    return {
        "resourceType": "Task",
        "id": id_,
        "status": "ready",
        "intent": "order",
        "for": {"reference": f"Patient/{patient}"},
        **more,
    }


def plan(id_, patient, **more):
    return {
        "resourceType": "CarePlan",
        "id": id_,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


@pytest.fixture
def two_patients(guarded):
    """Patients a and b, each with a plan, goals and tasks, who share one practitioner and not the other."""
    guarded.load(
        {"resourceType": "Patient", "id": "a", "name": [{"family": "Ames"}]},
        {"resourceType": "Patient", "id": "b", "name": [{"family": "Bell"}]},
        {"resourceType": "Organization", "id": "o", "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "both", "name": [{"family": "Both"}]},
        {"resourceType": "Practitioner", "id": "only-b", "name": [{"family": "Onlyb"}]},
        {"resourceType": "Practitioner", "id": "in-role", "name": [{"family": "Role"}]},
        {
            "resourceType": "PractitionerRole",
            "id": "role",
            "practitioner": {"reference": "Practitioner/in-role"},
            "organization": {"reference": "Organization/o"},
        },
        goal("ga", "a"),
        goal("gb", "b"),
        task("ta", "a", owner={"reference": "PractitionerRole/role"}, requester={"reference": "Practitioner/both"}),
        task("tb", "b", owner={"reference": "Practitioner/only-b"}, requester={"reference": "Practitioner/both"}),
        plan("pa", "a", goal=[{"reference": "Goal/ga"}, {"reference": "Goal/gb"}]),
        plan("pb", "b", goal=[{"reference": "Goal/gb"}]),
    )
    return guarded
