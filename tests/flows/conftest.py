"""A real EHR to talk to: the sandbox over a loopback socket, a store of ours beside it, and a door that breaks."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from fhirplan.catalog import CATALOG
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.transport import Transport
from fhirplan.fhir import codec
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.sync import conflicts, links, outbox, receipts
from fhirplan.store.versions import Version
from fhirplan.sync.identity import Border
from fhirplan.sync.report import SyncReport
from fhirplan.sync.run import run_sync
from fhirplan.sync.sides import Sides

API = Origin(actor="Practitioner/nurse", request_id="test", source="api", push=True)
OUR_BASE = "http://127.0.0.1:8080/fhir"


class Clinic:
    """The EHR as the clinic's staff use it, and what it was asked."""

    def __init__(self, store: Store, server: Server) -> None:
        self.store, self.server = store, server
        self.base = f"{server.url}/fhir"

    def put(self, resource: dict[str, Any]) -> dict[str, Any]:
        return self._said(self._send("PUT", f"{resource['resourceType']}/{resource['id']}", resource))

    def post(self, resource: dict[str, Any]) -> dict[str, Any]:
        return self._said(self._send("POST", resource["resourceType"], resource))

    def get(self, path: str) -> Any:
        return codec.loads(requests.get(f"{self.base}/{path}", timeout=10).content)

    def status(self, path: str) -> int:
        return requests.get(f"{self.base}/{path}", timeout=10).status_code

    def delete(self, path: str) -> None:
        assert self._send("DELETE", path, None).status_code in (200, 204)

    def all(self, type_: str) -> list[dict[str, Any]]:
        entries = self.get(f"{type_}?_count=500").get("entry", [])
        return [entry["resource"] for entry in entries]

    def all_pages(self, type_: str) -> list[dict[str, Any]]:
        """All resources of a type, however many pages they fill."""
        found, url = [], f"{self.base}/{type_}?_count=500"
        while url:
            page = codec.loads(requests.get(url, timeout=30).content)
            found += [entry["resource"] for entry in page.get("entry", [])]
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), "")
        return found

    def history(self, type_: str) -> dict[str, list[dict[str, Any]]]:
        """The versions of each resource of a type, newest first, without deletions."""
        found: dict[str, list[dict[str, Any]]] = {}
        url = f"{self.base}/{type_}/_history?_count=500"
        while url:
            page = codec.loads(requests.get(url, timeout=30).content)
            for entry in page.get("entry", []):
                if "resource" in entry:
                    found.setdefault(entry["resource"]["id"], []).append(entry["resource"])
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), "")
        return found

    def writes(self) -> list[tuple[str, str, int]]:
        """(method, path, status) of each write it was asked for."""
        listed = requests.get(f"{self.server.url}/admin/requests", timeout=10).json()["requests"]
        return [(r["method"], r["path"], r["status"]) for r in listed if r["method"] in ("POST", "PUT", "DELETE")]

    def _send(self, method: str, path: str, body: Any) -> requests.Response:
        data = None if body is None else codec.dumps(body)
        kind = {"Content-Type": "application/fhir+json"}
        return requests.request(method, f"{self.base}/{path}", data=data, headers=kind, timeout=10)

    def _said(self, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code in (200, 201), answer.text
        made: dict[str, Any] = codec.loads(answer.content)
        return made


class Door:
    """A way to the EHR that breaks when told: ``fault(method, path)`` names what happens to a request, "" for nothing.

    "refuse": closed before the EHR sees it; "cut": the EHR does it and the reply is lost; "half": half of the reply's
    bytes arrive; "slow": never answered in time; "html", "403", "405", "413", "422", "500", "503", "429", "empty": the
    EHR does not see it and this is answered. ``on`` is called "before" and "after" the EHR has done it.
    """

    def __init__(self, to: str) -> None:
        self._to = to.split("//")[1]
        self.fault: Callable[[str, str], str] = lambda _method, _path: ""
        self.on: Callable[[str, str, str], None] = lambda _when, _method, _path: None
        # Writes that hold these bytes are answered with 422, as one that an EHR does not accept.
        self.poison = b""
        # Transactions with more entries than this are answered with 413; 0: with any number they are passed on.
        self.most_entries = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}/fhir"
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._open = False
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            while request := _message(caller):
                method, path = request.split(b" ", 2)[:2]
                if not self._pass_on(caller, request, method.decode(), path.decode()):
                    return

    def _pass_on(self, caller: socket.socket, request: bytes, method: str, path: str) -> bool:
        self.on("before", method, path)
        fault = self.fault(method, path) or self._refusal(method, request)
        if fault in ("refuse", "slow"):
            time.sleep(30 if fault == "slow" else 0)
            return False
        if fault in _CANNED:
            caller.sendall(_CANNED[fault])
            return False
        reply = self._ask(request)
        self.on("after", method, path)
        if fault == "cut":
            return False
        caller.sendall(reply[: len(reply) // 2] if fault == "half" else reply)
        return fault != "half"

    def _refusal(self, method: str, request: bytes) -> str:
        if method == "GET":
            return ""
        if self.poison and self.poison in request:
            return "422"
        return "413" if 0 < self.most_entries < request.count(b'"fullUrl"') else ""

    def _ask(self, request: bytes) -> bytes:
        host, _, port = self._to.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as ehr:
            ehr.sendall(request)
            return _message(ehr)


def _canned(status: str, kind: str, body: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    )
    return (head + body).encode()


_CANNED = {
    "html": _canned("200 OK", "text/html", "<html><body>Please sign in</body></html>"),
    "500": _canned("500 Oops", "text/html", "<h1>It broke</h1>"),
    "503": _canned("503 Busy", "text/plain", ""),
    "429": _canned("429 Slow down", "text/plain", "", "Retry-After: 1\r\n"),
    "422": _canned(
        "422 No",
        "application/fhir+json",
        '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid",'
        '"details":{"text":"A name is needed."}}]}',
    ),
    "403": _canned(
        "403 No",
        "application/fhir+json",
        '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden",'
        '"details":{"text":"Break the glass first."}}]}',
    ),
    "405": _canned("405 Not here", "text/plain", ""),
    "413": _canned("413 Too large", "text/plain", ""),
    "empty": _canned("200 OK", "application/fhir+json", ""),
}


def _message(of: socket.socket) -> bytes:
    """One HTTP message with a Content-Length, b"" at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = of.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        part = of.recv(65536)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body


# Has everything loaded and once built; forks a process for each order and tells how it ended when asked.
_FORKING = """
import json, os, sys
from fhirplan import assembly, settings
from fhirplan.sync import points
from fhirplan.sync.pull import pull
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

def sides():
    chosen = settings.load()
    return assembly.build_sync(chosen, assembly.build(chosen), chosen.default_connection)

sides().client.__exit__()
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitpid(order["wait"], 0)[1], flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ.update(order["environ"])
    points.arm(points.killer(order["script"]) if order["script"] else None)
    try:
        work = sides()
        pull(work, Tally()) if order["does"] == "pull" else push(work, Tally(), everything=True)
    except BaseException:
        os._exit(1)
    os._exit(0)
"""


class Forked:
    """A worker in a process of its own."""

    def __init__(self, workers: Workers, pid: int) -> None:
        self._workers, self._pid = workers, pid

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def killed(self) -> bool:
        """Waits for its end; whether it was killed. Fails when it ended badly otherwise."""
        status = self._workers.ask({"wait": self._pid})
        assert os.WIFSIGNALED(status) or status == 0, status
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


class Workers:
    """Starts workers that pull or push, each a process of its own that can be told where to die."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIRPLAN_")}
        first = {"FHIRPLAN_DATA_DIR": str(folder), "FHIRPLAN_EHR_URL": "http://127.0.0.1:9/fhir"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            env=kept | first | {"FHIRPLAN_BASE_URL": "http://127.0.0.1:8080", "FHIRPLAN_LOG_LEVEL": "error"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._said() == "ready"

    def begin(self, url: str, ehr: str, folder: Path, script: str = "", does: str = "push") -> Forked:
        """Starts one on a database and an EHR; ``script`` is where it dies, as ``answered:3``."""
        environ = {"FHIRPLAN_DATA_DIR": str(folder), "FHIRPLAN_DATABASE_URL": url, "FHIRPLAN_EHR_URL": ehr}
        return Forked(self, self.ask({"environ": environ, "script": script, "does": does}))

    def ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._said())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    made = Workers(tmp_path_factory.mktemp("forking"))
    yield made
    made.close()


@dataclass
class Ours:
    """Our side: the store, edits as the API makes them, and syncs."""

    sides: Sides

    @property
    def database(self) -> Database:
        return self.sides.database

    def save(self, resource: dict[str, Any]) -> Version:
        with self.database.write() as tx:
            known = versions.current(tx, "default", resource["resourceType"], resource["id"])
            method = "update" if known is not None and not known.deleted else "create"
            change = Change(method, resource["resourceType"], resource["id"], resource)
            return commit(tx, "default", [change], now=self.sides.clock(), origin=API)[0]

    def delete(self, type_: str, id_: str) -> None:
        with self.database.write() as tx:
            commit(tx, "default", [Change("delete", type_, id_)], now=self.sides.clock(), origin=API)

    def get(self, type_: str, id_: str) -> dict[str, Any] | None:
        with self.database.read() as tx:
            found = versions.current(tx, "default", type_, id_)
        return found.resource() if found and not found.deleted else None

    def edit(self, type_: str, id_: str, **changed: Any) -> Version:
        known = self.get(type_, id_)
        assert known is not None
        return self.save({**known, **changed})

    def link(self, type_: str, id_: str) -> links.Link | None:
        with self.database.read() as tx:
            return links.by_id(tx, "default", type_, id_)

    def receipts(self, type_: str, id_: str) -> list[receipts.Receipt]:
        with self.database.read() as tx:
            return receipts.of(tx, "default", type_, id_)

    def conflicts(self) -> list[conflicts.Collision]:
        with self.database.read() as tx:
            return conflicts.listed(tx, "default")

    def waiting(self) -> list[outbox.Entry]:
        with self.database.read() as tx:
            return outbox.listed(tx, "default")

    def sync(self, **how: Any) -> SyncReport:
        return run_sync(self.sides, **how)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    numbers = itertools.count(1)
    store = Store(new_id=lambda: f"ehr-{next(numbers)}")
    server = Server("127.0.0.1", 0, create_app(store))
    server.start()
    yield Clinic(store, server)
    server.stop()
    store.close()


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    shutil.copy(empty_database, tmp_path / "fhirplan.db")
    made = Database.open(f"sqlite:///{tmp_path / 'fhirplan.db'}")
    yield made
    made.close()


SidesOf = Callable[..., Sides]


@pytest.fixture
def sides_of(database: Database) -> Iterator[SidesOf]:
    """Makes the sides of an EHR at a base; ``behind`` is where calls really go (a proxy), by default the EHR."""
    numbers, opened = itertools.count(1), []

    def make(base: str, **more: Any) -> Sides:
        client = EhrClient(Transport(base, timeout=more.pop("timeout", 5.0)))
        opened.append(client)
        values: dict[str, Any] = {
            "connection": "default",
            "database": database,
            "client": client,
            "border": Border(more.pop("ehr_base", base), OUR_BASE, frozenset(CATALOG)),
            "catalog": CATALOG,
            "clock": lambda: time.time_ns() // 1_000_000,
            "new_id": lambda: f"our-{next(numbers)}",
            "chance": lambda: 0.5,
            "validate": lambda _resource: (),
            "worker": f"worker-{len(opened)}",
            "timeout": 5.0,
        }
        return Sides(**{**values, **more})

    yield make
    for client in opened:
        client.__exit__()


@pytest.fixture
def door(clinic: Clinic) -> Iterator[Door]:
    made = Door(clinic.server.url)
    yield made
    made.close()


@pytest.fixture
def behind_door(door: Door, sides_of: SidesOf) -> Ours:
    """Our side, which reaches the EHR through the door only."""
    return Ours(sides_of(door.base, timeout=1.0))


@pytest.fixture
def ours(clinic: Clinic, sides_of: SidesOf) -> Ours:
    return Ours(sides_of(clinic.base))


def patient(id_: str = "p1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": "Sample"}], **more}


def goal(id_: str = "g1", text: str = "Walk to the mailbox", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "id": id_,
        "lifecycleStatus": "active",
        "description": {"text": text},
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def plan(id_: str = "cp1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CarePlan",
        "id": id_,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def task(id_: str = "t1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "id": id_,
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/p1"},
        **more,
    }


@pytest.fixture
def make() -> SimpleNamespace:
    """Small resources of one patient: ``make.patient()``, ``make.goal("g1", text)``, ``make.plan()`` …"""
    return SimpleNamespace(patient=patient, goal=goal, plan=plan, task=task)
