"""A server with clients of every kind, and keys to sign their assertions with."""

import itertools
import json
import shutil
import time
import uuid
from urllib.parse import urlencode

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhirplan import assembly, settings
from fhirplan.sandbox.app import create_app as create_sandbox
from fhirplan.sandbox.desk import App, Desk, Opening
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server as SandboxServer
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client
from fhirplan.store.access.secrets import digest
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app

BASE = "http://127.0.0.1:8080"
TOKEN_URL = f"{BASE}/auth/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REDIRECT = "https://app.example.org/back"


class Keys:
    """One key of each kind, and assertions signed with them."""

    def __init__(self):
        self.ec = ECKey.generate_key("P-384", {"kid": "ec-1"})
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1"})

    @property
    def jwks(self):
        shown = [{**key.as_dict(private=False), "kid": key.kid} for key in (self.ec, self.rsa)]
        return {"keys": shown}

    def assertion(self, alg="ES384", client="backend", key=None, header=None, **claims):
        key = key or (self.ec if alg.startswith("ES") else self.rsa)
        now = int(time.time())
        said = {"iss": client, "sub": client, "aud": TOKEN_URL, "exp": now + 240, "jti": str(uuid.uuid4()), **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": key.kid, "typ": "JWT", **(header or {})}, said, key, algorithms=[alg])


@pytest.fixture(scope="session")
def keys():
    return Keys()


@pytest.fixture(scope="session")
def made(tmp_path_factory, keys):
    """A folder with a database that has the clients in it, and the keys of whatever servers use it."""
    folder = tmp_path_factory.mktemp("made")
    database = Database.open(f"sqlite:///{folder / 'empty.db'}")
    database.migrate()
    with database.write() as tx:
        for client in registered(keys):
            clients.add(tx, client)
    database.close()
    return folder


class Server:
    """Our server through Flask's test client, with forms in and JSON out."""

    def __init__(self, app, services, keys):
        self.app, self.services, self.keys = app, services, keys
        self.client = app.test_client()

    def form(self, path, headers=None, **fields):
        data = urlencode({name: value for name, value in fields.items() if value is not None})
        said = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.client.post(path, data=data, headers=said)

    def token(self, headers=None, **fields):
        return self.form("/auth/token", headers, **fields)

    def backend(self, scope="system/*.rs", alg="ES384", assertion=None, **more):
        given = self.keys.assertion(alg) if assertion is None else assertion
        fields = {"grant_type": "client_credentials", "scope": scope, "client_assertion_type": ASSERTION} | more
        return self.token(client_assertion=given, **fields)


@pytest.fixture
def start(tmp_path, made, keys):
    """Makes a server with the given settings and the clients backend, other, public-app, secret-app and key-app."""
    numbers = itertools.count()
    opened = []

    def make(database="empty.db", **given):
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(made / database, path)
        chosen = settings.load(
            {}, **{"database_url": f"sqlite:///{path}", "data_dir": str(made), "validation": "base", **given}
        )
        services = assembly.build(chosen)
        opened.append(services.database)
        return Server(create_app(services), services, keys)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def server(start):
    return start()


def registered(keys):
    jwks = json.dumps(keys.jwks)
    app = (
        *("openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access"),
        *("patient/*.rs", "user/CarePlan.cruds", "patient/Task.cruds"),
    )
    return [
        Client("backend", "default", "A vendor", "key", ("system/CarePlan.rs", "system/Goal.cruds"), jwks=jwks),
        Client("other", "default", "Another vendor", "key", ("system/*.rs",), jwks=jwks),
        Client("records", "default", "A resource server", "key", ("introspection",), jwks=jwks),
        Client("public-app", "default", "An app", "public", app, redirect_uris=(REDIRECT,)),
        Client("other-app", "default", "An app too", "public", app, redirect_uris=("https://other.example.org/back",)),
        Client(
            "secret-app",
            "default",
            "A site",
            "secret",
            app,
            secret_digest=digest("s e:cret"),
            redirect_uris=(REDIRECT,),
        ),
        Client("key-app", "default", "A hospital", "key", app, jwks=jwks, redirect_uris=(REDIRECT,)),
    ]


class Ehr:
    """The sandbox over a socket, with our pages registered as an app, and a second one that is not."""

    def __init__(self, desk, server, jwks):
        self.desk, self.server, self.jwks, self.clock = desk, server, jwks, desk._clock
        self.url, self.iss = server.url, f"{server.url}/fhir"

    def launch(self, patient="pat-1", user="Practitioner/nurse", **more):
        return self.desk.open_chart(Opening(user, patient, **more))


SECRET = "a very s:ecret/secret"
PEOPLE = [
    {"resourceType": "Practitioner", "id": "nurse", "name": [{"text": "Nora Nurse"}]},
    {"resourceType": "Practitioner", "id": "other", "name": [{"text": "Otto Other"}]},
    {"resourceType": "Patient", "id": "pat-1", "name": [{"text": "Paula One"}], "identifier": [{"value": "1"}]},
    {"resourceType": "Patient", "id": "pat-2", "name": [{"text": "Peter Two"}], "identifier": [{"value": "2"}]},
]


class Clock:
    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory, keys):
    """The EHR, started once: what tests leave behind in it is tickets that nobody uses again."""
    store = Store(None)
    for resource in PEOPLE:
        store.write("PUT", 201, resource["id"], resource)
    back = f"{BASE}/auth/callback"
    jwks = tmp_path_factory.mktemp("ehr") / "ours.json"
    desk = Desk(
        {
            "us": App("us", (back,), f"{BASE}/auth/launch"),
            "us-secret": App("us-secret", (back,), secret=SECRET),
            "us-key": App("us-key", (back,), keys=str(jwks)),
        },
        clock=Clock(),
    )
    server = SandboxServer("127.0.0.1", 0, create_sandbox(store, desk=desk))
    server.start()
    yield Ehr(desk, server, jwks)
    server.stop()
    store.close()


@pytest.fixture
def ehr(sandbox, keys):
    sandbox.jwks.write_text(json.dumps(keys.jwks))
    sandbox.clock.ahead = 0.0
    return sandbox


@pytest.fixture
def clock(ehr):
    """The EHR's clock."""
    return ehr.clock


@pytest.fixture
def launched(ehr):
    """Opens a chart from the EHR in a server's browser, and gives the path of its page."""

    def make(server, **about):
        begun = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch(**about)})
        back = requests.get(begun.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
        come = server.client.get(back.removeprefix(BASE))
        assert come.status_code == 302, come.get_data(as_text=True)
        return come.headers["Location"].removeprefix(BASE)

    return make


@pytest.fixture(scope="session")
def pulled(made, sandbox):
    """The name of a database that has the EHR's people, pulled once."""
    shutil.copy(made / "empty.db", made / "pulled.db")
    chosen = settings.load(
        {},
        database_url=f"sqlite:///{made / 'pulled.db'}",
        data_dir=str(made),
        validation="base",
        ehr_url=sandbox.iss,
        launch_client_id="us",
    )
    services = assembly.build(chosen)
    sides = assembly.build_sync(chosen, services, chosen.default_connection)
    with sides.client:
        run_sync(sides)
    services.database.close()
    return "pulled.db"


@pytest.fixture
def clinic(start, ehr, pulled):
    """Makes a server of ours that is connected to the EHR and has pulled its people."""

    def make(**given):
        return start(pulled, ehr_url=ehr.iss, launch_client_id="us", **given)

    return make
