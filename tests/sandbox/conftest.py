"""An empty sandbox EHR for each test, and short ways to ask it."""

from __future__ import annotations

import itertools
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwk, jwt

from fhirplan.fhir import codec
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.faults import Faults
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server

NOON = 1_793_620_800_000  # 2026-11-02T12:00:00.000Z


class Clock:
    """Milliseconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


class Ehr:
    """The sandbox through Flask's test client; resources in and out as dicts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        persona: Persona = PERSONAS["open"],
        gate: Gate | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.store, self.clock, self.persona = store, clock, persona
        self.client = create_app(store, persona, gate, faults).test_client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else codec.dumps(body)
        said.setdefault("Content-Type", "application/fhir+json")
        answer = self.client.open(
            path if path.startswith("/") else f"/fhir/{path}", method=method, data=data, headers=said
        )
        answer.resource = codec.loads(answer.get_data()) if answer.get_data() else None
        return answer

    def put(self, resource: dict[str, Any], **headers: str) -> Any:
        return self("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)

    def load(self, *resources: dict[str, Any]) -> None:
        """Brings resources in through the admin door, past the persona."""
        entries = [
            {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}}
            for item in resources
        ]
        answer = self("POST", "/admin/load", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == 200, answer.resource

    def page(self, search: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The ids of one page's matches, and the issues of the outcomes among them."""
        answer = self("GET", search)
        assert answer.status_code == 200, answer.resource
        ids, issues = [], []
        for entry in answer.resource.get("entry", []):
            if entry["resource"]["resourceType"] == "OperationOutcome":
                assert entry["search"]["mode"] == "outcome"
                issues += entry["resource"]["issue"]
            elif entry["search"]["mode"] == "match":
                ids.append(entry["resource"]["id"])
        return ids, issues

    def found(self, search: str) -> list[str]:
        """The ids of the matches of all pages, in order."""
        ids: list[str] = []
        path: str | None = search
        while path:
            answer = self("GET", path)
            assert answer.status_code == 200, answer.resource
            ids += [
                entry["resource"]["id"]
                for entry in answer.resource.get("entry", [])
                if entry["search"]["mode"] == "match"
            ]
            path = next_path(answer.resource)
        return ids


def next_path(bundle: dict[str, Any]) -> str | None:
    """The next link of a Bundle, as a path on this server."""
    for link in bundle.get("link", []):
        if link["relation"] == "next":
            assert link["url"].startswith("http://localhost/fhir/")
            return str(link["url"].removeprefix("http://localhost"))
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Any:
    numbers = itertools.count(1)
    made = Store(clock=clock, new_id=lambda: f"new-{next(numbers)}")
    yield made
    made.close()


@pytest.fixture
def ehr(store: Store, clock: Clock) -> Ehr:
    return Ehr(store, clock)


@pytest.fixture
def playing(store: Store, clock: Clock) -> Any:
    """Makes the sandbox play a persona, given by name or made for the test."""
    return lambda persona, **more: Ehr(store, clock, PERSONAS[persona] if isinstance(persona, str) else persona, **more)


@pytest.fixture
def serving(store: Store) -> Any:
    """Serves a sandbox over a real socket: (persona name, gate, faults) in, its FHIR base out."""
    servers: list[Server] = []

    def serve(persona: str = "open", gate: Gate | None = None, faults: Faults | None = None) -> str:
        servers.append(Server("127.0.0.1", 0, create_app(store, PERSONAS[persona], gate, faults)))
        servers[-1].start()
        return f"{servers[-1].url}/fhir"

    yield serve
    for server in servers:
        server.stop()


class Keys:
    """A client's keys: ``sign`` makes an assertion, ``public`` is the key set that the sandbox is given."""

    def __init__(self) -> None:
        self.keys = {
            "RS384": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ES384": jwk.ECKey.generate_key("P-384", {"kid": "ec"}),
        }

    @property
    def public(self) -> bytes:
        return codec.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]})

    def sign(self, alg: str = "RS384", *, now: float, aud: str, **changed: Any) -> str:
        """An assertion of client ``app``; ``changed`` claims replace its own, and ``header_x`` the header's x."""
        header = {"alg": alg, "kid": self.keys[alg].kid, "typ": "JWT"}
        header |= {name.removeprefix("header_"): value for name, value in changed.items() if name.startswith("header_")}
        claims = {
            "iss": "app",
            "sub": "app",
            "aud": aud,
            "exp": int(now) + 240,
            "iat": int(now),
            "jti": uuid.uuid4().hex,
        }
        claims |= {name: value for name, value in changed.items() if not name.startswith("header_")}
        kept = {name: value for name, value in claims.items() if value is not None}
        return str(jwt.encode(header, kept, self.keys[alg], algorithms=[alg]))


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys()


@pytest.fixture
def authorized(store: Store, clock: Clock, keys: Keys) -> Any:
    """A persona that asks for tokens: its name in, (the EHR, a function from scopes to the token response) out."""

    def play(persona: str, lifetime: int = 300) -> Any:
        gate = Gate(
            PERSONAS[persona],
            {"app": "https://app.test/keys.json"},
            lifetime=lifetime,
            clock=lambda: clock.now / 1000,
            read_keys=lambda _: keys.public,
        )
        ehr = Ehr(store, clock, PERSONAS[persona], gate)
        where = ehr("GET", ".well-known/smart-configuration").resource["token_endpoint"]

        def token(scope: str, assertion: str | None = None, **fields: str) -> Any:
            form = {
                "grant_type": "client_credentials",
                "scope": scope,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": assertion or keys.sign(now=clock.now / 1000, aud=where),
                **fields,
            }
            path = where.removeprefix("http://localhost")
            answer = ehr("POST", path, urlencode(form).encode(), Content_Type="application/x-www-form-urlencoded")
            answer.resource["status"] = answer.status_code
            return answer.resource

        return ehr, token

    return play
