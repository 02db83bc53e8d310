"""A server in smart mode that holds a sample bundle at its fixed clock, and an EHR that signs its calls."""

import http.server
import itertools
import json
import threading
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhirplan import assembly, settings
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.web.app import create_app

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SCENARIOS = {
    item["id"]: item for item in json.loads((FIXTURES / "scenarios.json").read_text(encoding="utf-8"))["scenarios"]
}
ISSUER = "https://ehr.example.org"
BASE = "http://127.0.0.1:8080/cds-services"
HOOKS = {"care-plan": "patient-view", "care-plan-discharge": "encounter-discharge", "care-plan-orders": "order-sign"}


@pytest.fixture(scope="session")
def keys():
    return {"ES384": ECKey.generate_key("P-384"), "RS384": RSAKey.generate_key(2048)}


@pytest.fixture(scope="session")
def published(keys):
    """The address of the EHR's key set."""
    body = json.dumps({"keys": [{**key.as_dict(private=False), "kid": name} for name, key in keys.items()]}).encode()

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def scenarios():
    return SCENARIOS


@pytest.fixture(scope="session")
def resources():
    def of(scenario):
        bundle = json.loads((FIXTURES / "bundles" / SCENARIOS[scenario]["file"]).read_text(encoding="utf-8"))
        return [entry["resource"] for entry in bundle["entry"]]

    return of


class Ehr:
    """Calls the services as an EHR does."""

    def __init__(self, services, keys, scenario):
        self.services, self.keys, self.scenario = services, keys, SCENARIOS[scenario]
        self.client = create_app(services).test_client()

    @property
    def patient(self):
        return self.scenario["patient"].partition("/")[2]

    def token(self, path, alg="ES384", key=None, header=None, **claims):
        now = self.services.clock() // 1000
        said = {"iss": ISSUER, "aud": f"{BASE}/{path}", "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        head = {"alg": alg, "kid": alg, "typ": "JWT", **(header or {})}
        return jwt.encode(head, said, key or self.keys[alg], algorithms=[alg])

    def post(self, path, body, token=None):
        headers = {"Authorization": f"Bearer {self.token(path) if token is None else token}"}
        return self.client.post(f"/cds-services/{path}", json=body, headers=headers if token != "" else {})

    def body(self, service, **more):
        context = {"userId": "Practitioner/1", "patientId": self.patient, **more.pop("context", {})}
        return {"hook": HOOKS[service], "hookInstance": str(uuid.UUID(int=7)), "context": context, **more}

    def cards(self, service, **more):
        answer = self.post(service, self.body(service, **more))
        assert answer.status_code == 200, answer.text
        for card in answer.json["cards"]:
            well_formed(card)
        return answer.json["cards"]

    def write(self, *changes):
        origin = Origin("tests", "r", "api", push=False)
        with self.services.database.write() as tx:
            commit(tx, "default", list(changes), now=self.services.clock(), origin=origin)


def well_formed(card):
    """CDS Hooks 2.0, Card Attributes."""
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["label"]
    uuid.UUID(card["uuid"])
    for link in card.get("links", ()):
        assert link["label"]
        assert link["url"].startswith("http")
        assert link["type"] in ("absolute", "smart")
        assert link["type"] == "smart" or "appContext" not in link
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    for suggestion in card.get("suggestions", ()):
        uuid.UUID(suggestion["uuid"])
        assert suggestion["label"]
        for action in suggestion["actions"]:
            assert action["description"]
            assert action["type"] == "create"
            assert action["resource"]["resourceType"]


@pytest.fixture
def ehr(tmp_path, keys, published, resources):
    """Makes an EHR that calls a server with a scenario's resources."""
    opened, numbers = [], itertools.count()

    def make(scenario="b01-hf-home-health", without=(), also=(), **given):
        named = SCENARIOS[scenario]
        chosen = {
            "data_dir": tmp_path / str(next(numbers)),
            "cds_clients": [f"{ISSUER}={published}"],
            "time_zone": named["timeZone"],
            "cds_seconds": 30,
            **given,
        }
        chosen["data_dir"].mkdir()
        at = int(datetime.fromisoformat(named["now"]).timestamp() * 1000)
        services = replace(assembly.build(settings.load({}, **chosen)), clock=lambda: at)
        services.database.migrate()
        opened.append(services.database)
        made = Ehr(services, keys, scenario)
        kept = [item for item in [*resources(scenario), *also] if f"{item['resourceType']}/{item['id']}" not in without]
        made.write(*(Change("create", item["resourceType"], item["id"], item) for item in kept))
        return made

    yield make
    for database in opened:
        database.close()
