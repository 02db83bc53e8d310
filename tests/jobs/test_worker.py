"""``fhirplan worker`` as a process: it pulls and pushes by itself, stops when told, and survives being killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirplan.jobs.passes import turn
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database

WORKER = [sys.executable, "-c", "from fhirplan.cli.main import main; main()", "worker"]
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female"}


@pytest.fixture
def ehr() -> Iterator[Server]:
    store = Store()
    server = Server("127.0.0.1", 0, create_app(store))
    server.start()
    server.records = store  # type: ignore[attr-defined]
    yield server
    server.stop()
    store.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.open(f"sqlite:///{tmp_path / 'fhirplan.db'}")
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def start(ehr: Server, database: Database, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    env = {
        **os.environ,
        "FHIRPLAN_DATA_DIR": str(tmp_path),
        "FHIRPLAN_EHR_URL": f"{ehr.url}/fhir",
        "FHIRPLAN_PULL_INTERVAL": "0.3",
        "FHIRPLAN_PUSH_INTERVAL": "0.1",
    }
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen(WORKER, env=env, cwd=tmp_path, stderr=log))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def save(database: Database, resource: dict[str, Any]) -> None:
    with database.write() as tx:
        change = Change("create", resource["resourceType"], resource["id"], resource)
        commit(tx, "default", [change], now=time.time_ns() // 1_000_000, origin=Origin("nurse", "t", "api", push=True))


def held(database: Database, id_: str) -> bool:
    with database.read() as tx:
        return versions.current(tx, "default", "Patient", id_) is not None


def until(fact: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def there(ehr: Server) -> int:
    return len(ehr.records.rows("SELECT DISTINCT id FROM version WHERE type = 'Patient'", ()))  # type: ignore[attr-defined]


def put_there(ehr: Server, id_: str) -> None:
    import requests

    answer = requests.put(f"{ehr.url}/fhir/Patient/{id_}", json={**PATIENT, "id": id_}, timeout=10)
    assert answer.status_code == 201


def test_it_pulls_and_pushes_by_itself_and_stops_when_told(
    start: Any, ehr: Server, database: Database, tmp_path: Path
) -> None:
    put_there(ehr, "theirs")
    worker = start()
    until(lambda: held(database, "theirs"))
    save(database, PATIENT)
    until(lambda: there(ehr) == 2)
    put_there(ehr, "later")
    until(lambda: held(database, "later"))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    log = (tmp_path / "worker-0.log").read_text()
    assert "worker stopped" in log
    assert "Traceback" not in log


def test_after_kill_9_the_next_one_goes_on_and_sends_nothing_twice(start: Any, ehr: Server, database: Database) -> None:
    worker = start()
    for number in range(60):
        save(database, {**PATIENT, "id": f"ours-{number}"})
        if number in (20, 40):
            until(lambda: there(ehr) > 0)
            worker.kill()
            worker.wait()
            worker = start()
    until(lambda: there(ehr) >= 60)
    time.sleep(0.5)
    assert there(ehr) == 60


def test_two_workers_send_each_change_once(start: Any, ehr: Server, database: Database) -> None:
    for number in range(80):
        save(database, {**PATIENT, "id": f"ours-{number}"})
    start()
    start()
    until(lambda: there(ehr) >= 80)
    time.sleep(0.5)
    assert there(ehr) == 80
    assert len(ehr.records.rows("SELECT id FROM version WHERE type = 'Patient'", ())) == 80  # type: ignore[attr-defined]


def test_an_ehr_that_is_down_is_logged_without_a_traceback_and_waited_for(
    start: Any, ehr: Server, database: Database, tmp_path: Path
) -> None:
    ehr.stop()
    save(database, PATIENT)
    worker = start()
    until(lambda: "the EHR failed" in (tmp_path / "worker-0.log").read_text())
    assert worker.poll() is None
    assert "Traceback" not in (tmp_path / "worker-0.log").read_text()


def test_a_turn_is_one_processs_and_comes_back(tmp_path: Path) -> None:
    with turn(tmp_path / "x.lock") as first:
        assert first
        with turn(tmp_path / "x.lock") as second:
            assert not second
    with turn(tmp_path / "x.lock") as again:
        assert again


def test_the_worker_shows_a_change_in_the_coordination_state_soon(
    start: Callable[[], subprocess.Popen[bytes]], database: Database
) -> None:
    category = {
        "coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-careplan-category", "code": "case-management"}]
    }
    plan = {
        "resourceType": "CarePlan",
        "id": "cp1",
        "status": "active",
        "intent": "plan",
        "category": [category],
        "subject": {"reference": "Patient/p1"},
    }
    task = {
        "resourceType": "Task",
        "id": "t1",
        "status": "ready",
        "intent": "order",
        "basedOn": [{"reference": "CarePlan/cp1"}],
        "for": {"reference": "Patient/p1"},
    }
    origin = Origin(actor="Practitioner/nurse", request_id="1", source="api", push=True)
    start()
    for number, made in enumerate((PATIENT, plan, task)):
        with database.write() as tx:
            change = Change("create", made["resourceType"], str(made["id"]), made)
            commit(tx, "default", [change], now=time.time_ns() // 1_000_000, origin=origin)
        if number == 1:
            _until(lambda: _of_list(database) is not None, 15)
    # A second on a machine that has time; the rest is for one that has none.
    _until(lambda: _of_list(database) == 1, 15)


def _until(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _of_list(database: Database) -> int | None:
    """How many open tasks the List of the plan tells of; None while there is none."""
    with database.read() as tx:
        found = versions.current(tx, "default", "List", "coord-cp1")
    if found is None:
        return None
    parts = found.resource()["extension"][0]["extension"]
    return int(next(item["valueUnsignedInt"] for item in parts if item["url"] == "openTasks"))


def test_ehrs_that_hang_leave_room_for_the_pushes_to_another(
    start: Any, ehr: Server, database: Database, tmp_path: Path
) -> None:
    """Each holds the thread that asks it for as long as the timeout is."""
    hanging = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    names = [f"[connections.c{number}]" for number in range(len(hanging))]
    urls = [f'ehr_url = "http://127.0.0.1:{item.getsockname()[1]}/fhir"\nehr_timeout = 120' for item in hanging]
    lines = [f"{name}\n{url}" for name, url in zip(names, urls, strict=True)]
    (tmp_path / "fhirplan.toml").write_text("\n".join(lines), encoding="utf-8")
    start()
    asked = [item.accept()[0] for item in hanging]
    save(database, {**PATIENT, "id": "ours"})
    until(lambda: there(ehr) == 1)
    for item in (*asked, *hanging):
        item.close()
