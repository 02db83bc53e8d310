"""Transactions: durable or undone, one writer at a time, nothing shared across a fork."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
import sqlalchemy as sa

from fhirplan.errors import Misconfigured, StoreFull
from fhirplan.store import sqlite, tables
from fhirplan.store.engine import Database, statement
from fhirplan.store.statements import insertion
from fhirplan.store.upkeep import Upkeep

PUT = insertion(tables.setting)
ALL = statement(sa.select(tables.setting.c.name).order_by(tables.setting.c.name))


def put(database, name):
    with database.write() as tx:
        tx.many(PUT, [{"name": name, "value": ""}])


def names(database):
    with database.read() as tx:
        return [row[0] for row in tx.all(ALL)]


def test_a_commit_reaches_the_disk_before_it_returns_and_after_the_next_writer_is_let_in(database, url, monkeypatch):
    """What is in the log's file at the moment it is brought to the disk is all that a crash could leave."""
    found = []

    def to_disk(file):
        path = sqlite.path_of(url)
        assert os.path.samestat(os.fstat(file), os.stat(f"{path}-wal"))
        other = sqlite.WriterLock(path)
        fcntl.flock(other._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other.close()
        copy = path.with_name(f"copy{len(found)}.db")
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
        crashed = sqlite3.connect(copy)
        found.append([row[0] for row in crashed.execute("SELECT name FROM setting ORDER BY name")])
        crashed.close()

    monkeypatch.setattr(sqlite, "_to_disk", to_disk)
    put(database, "a")
    assert found == [["a"]]
    with database.write() as tx:
        assert tx._driver.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        tx.run(PUT, name="b", value="")
    assert found == [["a"], ["a", "b"]]


def test_a_disk_that_fails_is_told_and_the_write_is_not_acknowledged(database, monkeypatch):
    def to_disk(_file):
        raise OSError(5, "Input/output error")

    done = []
    monkeypatch.setattr(sqlite, "_to_disk", to_disk)

    def write():
        with database.write() as tx:
            tx.after_commit(lambda: done.append("told"))
            tx.run(PUT, name="a", value="")

    with pytest.raises(StoreFull) as refused:
        write()
    assert "may be stored or not" in refused.value.text
    assert done == []
    monkeypatch.undo()
    put(database, "b")


def test_the_log_is_copied_in_the_background_when_it_has_grown_and_begins_anew(database, tmp_path, monkeypatch):
    monkeypatch.setattr(database._upkeep, "_every", 20)
    monkeypatch.setattr(sqlite, "LOG_PAGES", 50)
    log = tmp_path / "fhirplan.db-wal"
    for number in range(60):
        put(database, f"{number:04}")
    database.checkpoint()
    grown = log.stat().st_size
    for number in range(60, 600):
        put(database, f"{number:04}")
    database.close()
    assert grown > 0
    assert len(names(database)) == 600
    assert 3 * log.stat().st_size < 600 * 4096


def test_upkeep_that_fails_is_done_again():
    called = threading.Semaphore(0)

    def copy():
        called.release()
        raise sqlite3.OperationalError("disk I/O error")

    made = Upkeep(copy, (sqlite3.Error,), 10)
    for _ in range(2):
        made.changed(10)
        assert called.acquire(timeout=10)
    made.stop()


def test_a_new_database_is_for_its_owner_only(tmp_path):
    made = Database.open(f"sqlite:///{tmp_path / 'new' / 'ours.db'}")
    made.migrate()
    put(made, "x")
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in (tmp_path / "new").glob("ours.db*")}
    made.close()
    assert {"ours.db", "ours.db-wal"} <= set(modes)
    assert set(modes.values()) == {"0o600"}


def test_an_exception_undoes_the_transaction_and_leaves_the_database_usable(database):
    with suppress(ZeroDivisionError), database.write() as tx:
        tx.run(PUT, name="a", value="")
        raise ZeroDivisionError
    put(database, "b")
    assert names(database) == ["b"]


def test_a_read_sees_one_state_while_others_write(database, url):
    put(database, "a")
    with database.read() as tx:
        before = tx.all(ALL)
        writer = threading.Thread(target=put, args=(database, "b"))
        writer.start()
        writer.join()
        assert tx.all(ALL) == before == [("a",)]
    assert names(database) == ["a", "b"]


def test_a_read_inside_a_write_sees_what_was_written(database):
    with database.write() as tx:
        tx.run(PUT, name="a", value="")
        assert names(database) == ["a"]


def test_a_write_inside_a_transaction_is_a_mistake(database):
    with database.read(), pytest.raises(RuntimeError, match="already open"), database.write():
        pass
    put(database, "a")


def test_what_waits_for_the_commit_happens_after_it_and_only_then(database):
    seen = []
    with database.write() as tx:
        tx.after_commit(lambda: seen.append(names(database)))
        tx.run(PUT, name="a", value="")
    with suppress(ZeroDivisionError), database.write() as tx:
        tx.after_commit(lambda: seen.append("never"))
        raise ZeroDivisionError
    assert seen == [["a"]]


def test_writers_of_threads_and_processes_all_get_their_turn(database, url):
    program = (
        "import sys; from fhirplan.store.engine import Database; from fhirplan.store import tables;"
        "from fhirplan.store.statements import insertion; put = insertion(tables.setting);"
        "database = Database.open(sys.argv[1])\n"
        "for number in range(25):\n"
        "    with database.write() as tx: tx.run(put, name=f'{sys.argv[2]}-{number}', value='')\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, url, f"process{n}"]) for n in range(2)]
    threads = [
        threading.Thread(target=lambda n=n: [put(database, f"thread{n}-{i}") for i in range(25)]) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0]
    assert len(names(database)) == 125


def test_a_forked_child_opens_its_own_connection_and_leaves_the_parents_alone(database):
    put(database, "before")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            put(database, "child")
            database.close()
            code = 0
        finally:
            os._exit(code)
    put(database, "parent")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(database) == ["before", "child", "parent"]


def test_the_log_is_copied_by_a_checkpoint_while_a_reader_reads(database, tmp_path):
    for number in range(20):
        put(database, str(number))
    assert (tmp_path / "fhirplan.db-wal").stat().st_size > 0
    assert database.checkpoint() == 0
    assert sqlite3.connect(f"file:{tmp_path}/fhirplan.db?immutable=1", uri=True).execute(
        "SELECT count(*) FROM setting"
    ).fetchone() == (20,)


def test_values_are_bound_and_never_become_sql(database):
    evil = "x'); DROP TABLE setting; --"
    put(database, evil)
    assert names(database) == [evil]


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?mode=ro"])
def test_an_unusable_url_is_refused_in_words(url):
    with pytest.raises(Misconfigured) as refused:
        Database.open(url)
    assert "database_url" in refused.value.text


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("shopping list " * 100)
    with pytest.raises(Misconfigured) as refused, Database.open(f"sqlite:///{path}").read():
        pass
    assert str(path) in refused.value.text


def test_closing_waits_for_the_transactions_of_other_threads(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'closed.db'}")
    database.migrate()
    inside, failures = threading.Event(), []

    def work():
        for _ in range(200):
            try:
                with database.read() as tx:
                    inside.set()
                    tx.all(ALL)
            except (sqlite3.Error, RuntimeError) as error:
                failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    inside.wait(10)
    while any(worker.is_alive() for worker in workers):
        database.close()
    database.close()
    assert failures == []
