"""What only PostgreSQL has: a pool with a bound, connections that the server closes, statistics made in time."""

import threading
import uuid
from contextlib import ExitStack

import pytest

from fhirplan.errors import Misconfigured
from fhirplan.store import audit, engine, postgresql
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.versions import current

from .conftest import SERVER

ORIGIN = Origin("a", "b", "api", push=False)


@pytest.fixture
def url(postgresql):
    schema = f"t{uuid.uuid4().hex}"
    with postgresql.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {schema}")
        yield f"{SERVER}?options=-csearch_path%3D{schema}&application_name={schema}"
        server.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def database(url):
    made = Database.open(url, connections=3)
    made.migrate()
    yield made
    made.close()


def write(database, number, count=1):
    changes = [Change("create", "Task", f"t{number}-{n}", {"resourceType": "Task"}) for n in range(count)]
    with database.write() as tx:
        commit(tx, "default", changes, now=1, origin=ORIGIN)


def connected(postgresql, url):
    name = url.rpartition("=")[2]
    with postgresql.connect(SERVER) as server:
        found = server.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,))
        return [row[0] for row in found]


def test_no_more_connections_than_the_setting_allows(database, postgresql, url):
    threads = [threading.Thread(target=write, args=(database, number)) for number in range(12)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, len(connected(postgresql, url)))
    assert most <= 3
    with database.read() as tx:
        assert all(current(tx, "default", "Task", f"t{number}-0") for number in range(12))


def test_who_finds_all_connections_in_use_is_told_what_to_do(database, monkeypatch):
    write(database, 0)
    monkeypatch.setattr(database._pool, "timeout", 0.2)

    def read(inside):
        with database.read():
            inside.release()
            ended.wait(20)

    ended, inside = threading.Event(), threading.Semaphore(0)
    with ExitStack() as stack:
        for _ in range(3):
            thread = threading.Thread(target=read, args=(inside,))
            thread.start()
            stack.callback(thread.join)
            assert inside.acquire(timeout=20)
        stack.callback(ended.set)
        with pytest.raises(Misconfigured) as refused, database.read():
            pass
    assert "database_connections" in refused.value.text
    write(database, 1)


def test_connections_that_the_server_has_closed_are_replaced(database, postgresql, url):
    write(database, 0)
    with postgresql.connect(SERVER, autocommit=True) as server:
        for pid in connected(postgresql, url):
            server.execute("SELECT pg_terminate_backend(%s)", (pid,))
    write(database, 1)
    with database.read() as tx:
        assert current(tx, "default", "Task", "t1-0") is not None


def test_a_connection_that_breaks_in_a_write_undoes_it_and_does_no_more_harm(database, postgresql):
    def broken():
        with database.write() as tx:
            commit(tx, "default", [Change("create", "Task", "lost", {"resourceType": "Task"})], now=1, origin=ORIGIN)
            pid = tx._driver.info.backend_pid
            with postgresql.connect(SERVER, autocommit=True) as server:
                server.execute("SELECT pg_terminate_backend(%s)", (pid,))

    with pytest.raises(postgresql.OperationalError):
        broken()
    write(database, 1)
    with database.read() as tx:
        assert current(tx, "default", "Task", "lost") is None


def test_accesses_wait_while_the_server_is_away_and_are_kept_afterwards(database, monkeypatch):
    write(database, 0)
    kept = audit.Accesses(database)
    monkeypatch.setattr(audit, "DELAY", 1000)
    kept.note(audit.entry(1, "default", "nurse", "R", "Task", "t0-0", 1, "r"))
    real = postgresql.begun
    psycopg = pytest.importorskip("psycopg")

    def away(*_given):
        raise psycopg.OperationalError("the server is away")

    monkeypatch.setattr(postgresql, "begun", away)
    kept.keep()
    monkeypatch.setattr(postgresql, "begun", real)
    kept.keep()
    with database.read() as tx:
        found = audit.found(tx, "default", before=2**60, count=10)
    assert [(item.actor, item.id) for item in found if item.action == "R"] == [("nurse", "t0-0")]


def test_statistics_are_made_while_a_database_is_filled(database, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(engine, "_ANALYZED_FIRST", 50)
    monkeypatch.setattr(database, "_upkeep", database._new_upkeep())
    act = database._upkeep._act
    monkeypatch.setattr(database._upkeep, "_act", lambda: (act(), done.set()))
    write(database, 0, 60)
    assert done.wait(30)
    with database.read() as tx:
        assert tx._driver.execute("SELECT reltuples FROM pg_class WHERE oid = 'resource'::regclass").fetchone() == (60,)


def test_a_server_that_does_not_answer_is_told_at_once():
    with pytest.raises(Misconfigured) as refused, Database.open("postgresql://nobody@127.0.0.1:1/none").read():
        pass
    assert "cannot be reached" in refused.value.text
