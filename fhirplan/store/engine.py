"""Opens the database and runs transactions on it: kept or pooled connections, one writer at a time on SQLite."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from fhirplan.errors import FhirplanError, Misconfigured, VersionMismatch
from fhirplan.store import schema, sqlite
from fhirplan.store.statements import DialectName, Statement, statement
from fhirplan.store.transaction import Row, Transaction
from fhirplan.store.upkeep import Upkeep

__all__ = ["Database", "Row", "Statement", "Transaction", "statement"]


class _Kept:
    """What one thread keeps between transactions."""

    __slots__ = ("closed", "driver", "lock", "log", "open", "using")

    def __init__(self, driver: Any, lock: sqlite.WriterLock | None = None, log: sqlite.Log | None = None) -> None:
        self.driver = driver
        self.lock = lock
        self.log = log
        self.open: Transaction | None = None
        # Held while a transaction runs: a connection that another thread closes under a statement ends the process.
        self.using = threading.RLock()
        self.closed = False

    def close(self) -> None:
        with self.using:
            self.closed = True
            if self.lock is not None:
                self.driver.close()
            for file in (self.lock, self.log):
                if file is not None:
                    file.close()


class Database:
    """A database by its url. Connections are opened when first needed and never cross a fork.

    On SQLite each thread keeps one; on PostgreSQL transactions take one from a pool of at most ``connections``.
    """

    # Connections that a parent process opened: closing them here would disturb the parent's, so they are only kept.
    _inherited: Final[list[tuple[dict[int, _Kept], Any]]] = []

    def __init__(self, url: str, connections: int = 8) -> None:
        self.url: Final = url
        self._connections: Final = connections
        self._pool: Any = None
        self.dialect: Final[DialectName] = _dialect_of(url)
        if self.dialect == "sqlite":
            sqlite.path_of(url)
        # What other modules remember about this database in this process (numbers of parameters and systems).
        self.memory: dict[str, Any] = {}
        self._kept: dict[int, _Kept] = {}
        self._pid = os.getpid()
        self._checked = False
        self._opening = threading.Lock()
        self._upkeep = self._new_upkeep()

    @classmethod
    def open(cls, url: str, connections: int = 8) -> Database:
        """The database at ``sqlite:///FILE`` or ``postgresql://…``; nothing is created or connected yet.

        Raises Misconfigured for any other url.
        """
        return cls(url, connections)

    def migrate(self, revision: str = "head") -> None:
        """Brings the schema to ``revision``, making the SQLite file where there is none."""
        schema.migrate(self.url, revision)
        self._checked = False

    def revision(self) -> str:
        """The schema's revision in the database, "" when it was never migrated."""
        return schema.current(self.url)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What is raised when the database does not do what it was asked, by the driver or by us."""
        if self.dialect == "sqlite":
            return (sqlite3.Error, OSError, FhirplanError)
        from fhirplan.store import postgresql

        return (*postgresql.errors(), OSError, FhirplanError)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent view of the database. Inside an open transaction of this thread it is that transaction.

        Raises Misconfigured when the schema is not the one this program knows.
        """
        kept = self._mine()
        if kept.open is not None:
            yield kept.open
            return
        kept = self._taken()
        try:
            self._begin(kept, _BEGIN_READ[self.dialect])
            made = kept.open = Transaction(self, kept.driver, writing=False)
            try:
                yield made
            finally:
                _undo(kept.driver)
        finally:
            kept.open = None
            self._give_back(kept)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is durable once the block is left, and undone when the block raises.

        Writers of all processes take turns on SQLite, so do no network in here. Raises Misconfigured as ``read``.
        """
        kept = self._mine()
        if kept.open is not None:
            raise RuntimeError("a transaction is already open in this thread")
        kept = self._taken()
        try:
            made = yield from self._turn(kept)
            if kept.log is not None:
                kept.log.sync()
        finally:
            self._give_back(kept)
        self._upkeep.changed(made.changed)
        made.committed()

    def _turn(self, kept: _Kept) -> Generator[Transaction, None, Transaction]:
        """The transaction itself, while on SQLite no other writer has its turn."""
        try:
            if kept.lock is not None:
                kept.lock.take()
            self._begin(kept, _BEGIN_WRITE[self.dialect])
            made = kept.open = Transaction(self, kept.driver, writing=True)
            try:
                yield made
                kept.driver.execute("COMMIT")
                return made
            except BaseException as error:
                if self.dialect != "sqlite" or kept.driver.in_transaction:
                    _undo(kept.driver)
                if self.dialect == "postgresql":
                    _raise_collision(error)
                else:
                    sqlite.raise_full(error)
                raise
        finally:
            kept.open = None
            if kept.lock is not None:
                kept.lock.release()

    def checkpoint(self) -> int:
        """Copies SQLite's write-ahead log into the database; gives the pages that are still only in the log.

        Called in the background, so that no request has to. Writers and readers go on meanwhile; only a log that has
        grown beyond its bound makes writers wait for a moment, until it begins anew. Nothing on PostgreSQL.
        """
        if self.dialect != "sqlite":
            return 0
        kept = self._taken()
        try:
            _busy, logged, copied = kept.driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if logged > sqlite.LOG_PAGES and kept.lock is not None:
                kept.lock.take()
                try:
                    _busy, logged, copied = kept.driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
                finally:
                    kept.lock.release()
        finally:
            kept.using.release()
        return max(int(logged) - int(copied), 0)

    def leave(self) -> None:
        """Closes this thread's connection, for a thread that ends; the next use opens a new one."""
        if self._pid != os.getpid():
            return
        with self._opening:
            kept = self._kept.pop(threading.get_ident(), None)
        if kept is not None:
            kept.close()

    def close(self) -> None:
        """Closes the connections of all threads of this process once none is in use; the next use opens new ones."""
        self._leave_parents()
        self._upkeep.stop()
        with self._opening:
            self._upkeep = self._new_upkeep()
            kept, self._kept = self._kept, {}
            pool, self._pool = self._pool, None
        for item in kept.values():
            item.close()
        if pool is not None:
            pool.close()

    def _begin(self, kept: _Kept, begin: str) -> None:
        if self._pool is None:
            kept.driver.execute(begin)
        else:
            from fhirplan.store import postgresql

            kept.driver = postgresql.begun(self._pool, begin)

    def _give_back(self, kept: _Kept) -> None:
        if kept.lock is None and kept.driver is not None:
            driver, kept.driver = kept.driver, None
            self._pool.putconn(driver)
        kept.using.release()

    def _new_upkeep(self) -> Upkeep:
        if self.dialect == "sqlite":
            return Upkeep(self.checkpoint, self.failures, sqlite.CHECKPOINT_ROWS)
        return Upkeep(self.analyze, self.failures, _ANALYZED_FIRST, growth=_ANALYZED_AGAIN)

    def analyze(self) -> None:
        """Has PostgreSQL count its tables anew, by which it chooses among our indexes. Nothing on SQLite.

        Its own autovacuum does so within minutes; a database that is being filled cannot wait for that.
        """
        if self.dialect == "postgresql":
            from fhirplan.store import postgresql

            postgresql.analyze(self.url)

    def settle(self) -> None:
        """Waits until all transactions that read or write our settings now have ended; others may begin meanwhile.

        On SQLite there is one writer at a time, so that none is under way when this is called outside of a write.
        """
        if self.dialect == "postgresql":
            from fhirplan.store import postgresql

            postgresql.settle(self.url)

    def _taken(self) -> _Kept:
        """This thread's connection, which nobody closes until its ``using`` is released."""
        while True:
            kept = self._mine()
            kept.using.acquire()
            if not kept.closed:
                return kept
            kept.using.release()

    def _mine(self) -> _Kept:
        if self._pid != os.getpid():
            self._leave_parents()
        kept = self._kept.get(threading.get_ident())
        return kept if kept is not None else self._connect()

    def _connect(self) -> _Kept:
        with self._opening:
            if self.dialect == "sqlite":
                path = sqlite.path_of(self.url)
                kept = _Kept(sqlite.connect(path), sqlite.WriterLock(path), sqlite.Log(path))
                self._check(kept.driver, kept.close)
            else:
                kept = _Kept(None)
                if self._pool is None:
                    self._pool = self._opened()
            self._kept[threading.get_ident()] = kept
            return kept

    def _opened(self) -> Any:
        """A pool, after a look at whether the server answers and has our tables."""
        from fhirplan.store import postgresql

        first = postgresql.connect(self.url)
        self._check(first, first.close)
        first.close()
        return postgresql.pool(self.url, self._connections)

    def _check(self, driver: Any, close: Callable[[], None]) -> None:
        if self._checked:
            return
        try:
            schema.check(driver, self.dialect)
        except Misconfigured:
            close()
            raise
        self._checked = True

    def _leave_parents(self) -> None:
        if self._pid != os.getpid():
            self._inherited.append((self._kept, self._pool))
            self._kept, self._pool, self._pid = {}, None, os.getpid()
            self._opening = threading.Lock()
            self._upkeep = self._new_upkeep()


def _undo(driver: Any) -> None:
    """Ends a transaction without a trace; a connection that the server has closed has none any more."""
    if not getattr(driver, "closed", False):
        driver.execute("ROLLBACK")


def _raise_collision(error: BaseException) -> None:
    from fhirplan.store import postgresql

    if postgresql.is_collision(error):
        raise VersionMismatch(
            "Somebody else changed the same at the same moment. Read it again, then repeat."
        ) from None


# Rows written by a process until PostgreSQL's statistics are made, and so many times as many until they are again.
_ANALYZED_FIRST: Final = 2_000
_ANALYZED_AGAIN: Final = 8
_BEGIN_READ: Final[Mapping[str, str]] = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
_BEGIN_WRITE: Final[Mapping[str, str]] = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN"}


def _dialect_of(url: str) -> DialectName:
    if url.startswith("sqlite:"):
        return "sqlite"
    if url.startswith(("postgresql:", "postgres:")):
        return "postgresql"
    raise Misconfigured("database_url must start with sqlite:/// or postgresql://.")
