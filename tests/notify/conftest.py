"""A server, what tells its subscribers, and a subscriber that listens on loopback and answers as it is told to."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fhirplan import assembly, settings
from fhirplan.interactions.issuers import Issuers
from fhirplan.jobs.passes import notify_pass
from fhirplan.notify.notifying import Notifying
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client
from fhirplan.web.app import create_app
from tests.issuing import OWN, signed

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


@dataclass
class Listener:
    """What a subscriber's endpoint was sent: method, path, headers, body; ``status`` is what it answers with."""

    url: str = ""
    status: int = 200
    heard: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [body for *_, body in self.heard]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.heard.append((self.command, self.path, dict(self.headers), json.loads(body) if body else None))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = _take  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


class Server:
    """The server as its callers see it, at a clock that a test may move; ``tell`` runs one pass of the worker."""

    def __init__(self, services: Any) -> None:
        self.ahead = 0
        self.services = replace(services, clock=self.now)
        self.client = create_app(self.services).test_client()
        self.revoked: set[str] = set()

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead

    @property
    def notifying(self) -> Notifying:
        chosen = self.services.settings
        made = assembly.build_notifying(chosen, self.services, chosen.default_connection)
        return replace(made, chance=lambda: 0.5)

    def tell(self) -> bool:
        return notify_pass(self.notifying)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.open(
            f"/fhir/{path}",
            method=method,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/fhir+json", **headers},
        )

    def put(self, resource: dict[str, Any], **headers: str) -> Any:
        return self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)

    def subscription(self, id_: str) -> dict[str, Any]:
        return json.loads(self.call("GET", f"Subscription/{id_}").data)

    def bearer(self, scope: str, client: str = "c", **claims: Any) -> dict[str, str]:
        with self.services.database.write() as tx:
            if clients.get(tx, client) is None:
                clients.add(tx, Client(client, "default", client, "public", (scope,)))
        return {"Authorization": f"Bearer {signed(scope, client_id=client, **claims)}"}


Make = Callable[..., Server]


@pytest.fixture
def configured(tmp_path: Path, empty_database: Path) -> Iterator[Make]:
    numbers, opened = itertools.count(), []

    def make(**given: Any) -> Server:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(empty_database, path)
        chosen = {"validation": "base", "database_url": f"sqlite:///{path}", "data_dir": tmp_path, **given}
        services = assembly.build(settings.load({}, **{"auth": "open", **chosen}))
        services = replace(services, issuers=Issuers((OWN,), lambda _gid, _jti: False))
        opened.append(services.database)
        return Server(services)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def server(configured: Make) -> Server:
    return configured()


def subscription(endpoint: str, criteria: str, id_: str = "s1", **channel: Any) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "id": id_,
        "status": "requested",
        "reason": "to know",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, **channel},
    }


def to_topic(endpoint: str, type_: str, content: str = "id-only", *filters: str, id_: str = "s1", **more: Any) -> Any:
    made = subscription(endpoint, f"http://fhirplan.dev/fhir/SubscriptionTopic/{type_}", id_, **more)
    made["meta"] = {"profile": [BACKPORT + "backport-subscription"]}
    made["channel"]["payload"] = "application/fhir+json"
    made["channel"]["_payload"] = {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}
    if filters:
        url = BACKPORT + "backport-filter-criteria"
        made["_criteria"] = {"extension": [{"url": url, "valueString": item} for item in filters]}
    return made


@pytest.fixture
def plain() -> Callable[..., dict[str, Any]]:
    return subscription


@pytest.fixture
def by_topic() -> Callable[..., dict[str, Any]]:
    return to_topic


@pytest.fixture
def goal() -> Callable[..., dict[str, Any]]:
    def make(id_: str, patient: str = "p1", status: str = "active", text: str = "walk") -> dict[str, Any]:
        named = {"lifecycleStatus": status, "description": {"text": text}}
        return {"resourceType": "Goal", "id": id_, **named, "subject": {"reference": f"Patient/{patient}"}}

    return make
