"""The workers' queue on each of its stores: passes run, by several workers too, and a wrong address is named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirplan import settings
from fhirplan.errors import Misconfigured
from fhirplan.jobs.queue import opened
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database

POSTGRESQL = os.environ.get("FHIRPLAN_TEST_POSTGRESQL", "postgresql://root@127.0.0.1/test")
REDIS = os.environ.get("FHIRPLAN_TEST_REDIS", "redis://127.0.0.1:6379/15")
WORKER = [sys.executable, "-c", "from fhirplan.cli.main import main; main()", "worker"]
COUNT = 20


def on_postgresql() -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg")
    try:
        server = psycopg.connect(POSTGRESQL, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {POSTGRESQL}; FHIRPLAN_TEST_POSTGRESQL names another")
    schema = f"t{uuid.uuid4().hex}"
    with server:
        server.execute(f"CREATE SCHEMA {schema}")
        yield f"{POSTGRESQL}?options=-csearch_path%3D{schema}"
        server.execute(f"DROP SCHEMA {schema} CASCADE")


def on_redis() -> Iterator[str]:
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(REDIS, socket_connect_timeout=2) as server:
        try:
            server.flushdb()
        except redis.exceptions.ConnectionError:
            pytest.skip(f"no Redis answers at {REDIS}; FHIRPLAN_TEST_REDIS names another database, which is emptied")
        yield REDIS
        server.flushdb()


@pytest.fixture(params=["", "postgresql", "redis"])
def jobs_url(request: Any) -> Iterator[str]:
    if not request.param:
        yield ""
        return
    yield from on_postgresql() if request.param == "postgresql" else on_redis()


def test_two_workers_of_two_machines_share_a_queue_and_send_each_change_once(jobs_url: str, tmp_path: Path) -> None:
    """Each has a data folder of its own, as on two machines; the database is the same."""
    store = Store()
    server = Server("127.0.0.1", 0, create_app(store))
    server.start()
    database = Database.open(f"sqlite:///{tmp_path / 'fhirplan.db'}")
    database.migrate()
    patients = [{"resourceType": "Patient", "id": f"p{number}", "gender": "female"} for number in range(COUNT)]
    with database.write() as tx:
        changes = [Change("create", "Patient", item["id"], item) for item in patients]
        commit(tx, "default", changes, now=time.time_ns() // 1_000_000, origin=Origin("nurse", "t", "api", push=True))
    workers = []
    for number in (1, 2):
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FHIRPLAN_")},
            "FHIRPLAN_DATA_DIR": str(tmp_path / str(number)),
            "FHIRPLAN_DATABASE_URL": database.url,
            "FHIRPLAN_JOBS_URL": jobs_url,
            "FHIRPLAN_EHR_URL": f"{server.url}/fhir",
            "FHIRPLAN_PULL_INTERVAL": "1",
            "FHIRPLAN_PUSH_INTERVAL": "0.2",
        }
        workers.append(subprocess.Popen(WORKER, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL))
    try:
        until(lambda: made(store) >= COUNT)
        time.sleep(0.5)
        assert made(store) == COUNT
        assert [worker.poll() for worker in workers] == [None, None]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=30)
        server.stop()
        store.close()
        database.close()


def made(store: Store) -> int:
    return len(store.rows("SELECT id FROM version WHERE type = 'Patient'", ()))


def until(fact: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0"])
def test_a_queue_that_cannot_be_reached_is_named_at_start(url: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg" if url.startswith("postgresql") else "redis")
    with pytest.raises(Misconfigured) as refused:
        opened(settings.load({}, data_dir=str(tmp_path), jobs_url=url))
    assert "jobs_url" in refused.value.text


def test_another_kind_of_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        settings.load({}, data_dir=str(tmp_path), jobs_url="amqp://127.0.0.1")
    assert "jobs_url" in refused.value.text
    assert "redis://" in refused.value.text
