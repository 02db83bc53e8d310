"""Keeps every version of every resource in one SQLite file, or in memory, with the rows that searches use."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import stamped
from fhirplan.sandbox import indexing, instants

FOREVER: Final = 2**63 - 1

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS version (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    until INTEGER NOT NULL DEFAULT {FOREVER},
    method TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB,
    UNIQUE (type, id, number)
);
CREATE INDEX IF NOT EXISTS version_of_type ON version (type, seq, until, updated);
CREATE TABLE IF NOT EXISTS entry (
    type TEXT NOT NULL,
    code TEXT NOT NULL,
    value TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (type, code, value, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_of_version ON entry (seq, code);
"""
_COLUMNS: Final = "seq, type, id, number, updated, method, status, body"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource; ``body`` is its JSON, None where this version is a deletion.

    ``method`` and ``status`` are of the HTTP request that made it and its answer, as a history tells them.
    ``seq`` counts all versions of all resources in the order they were made, and ``updated`` (milliseconds since
    1970) never falls as it grows.
    """

    seq: int
    type: str
    id: str
    number: int
    updated: int
    method: str
    status: int
    body: bytes | None

    @property
    def key(self) -> str:
        """Type and id, as ``Task/t1``."""
        return f"{self.type}/{self.id}"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _uuid() -> str:
    return str(uuid.uuid4())


class Store:
    """The sandbox EHR's data. One connection behind one lock: whoever is in a transaction is alone with the data.

    A version row is in force for searches from its ``seq`` until the ``seq`` in ``until``, so a search can be repeated
    as the data were at any earlier ``seq``; a deletion is never in force (its ``until`` is its own ``seq``).
    With a file, a commit is on the disk before it returns.
    """

    def __init__(
        self, path: Path | None = None, *, clock: Callable[[], int] = _now, new_id: Callable[[], str] = _uuid
    ) -> None:
        """``clock`` gives milliseconds since 1970; raises sqlite3.Error when the file cannot be used."""
        self._lock = threading.RLock()
        self._depth = 0
        self._skew = 0
        self._hidden = 0
        self._clock = clock
        self.new_id = new_id
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=5)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self._instant: int = self._db.execute("SELECT coalesce(max(updated), 0) FROM version").fetchone()[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or none of it when an exception leaves; one inside another joins it."""
        with self._lock:
            if self._depth:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            self._instant = max(self._instant, self._clock())
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a COMMIT that failed for want of space has rolled back already
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What a query finds, never in the middle of another thread's transaction."""
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def versions(self, where: str, values: Sequence[Any]) -> list[Version]:
        """The versions that a condition, with ordering and limit where wanted, finds."""
        found = self.rows(f"SELECT {_COLUMNS} FROM version WHERE {where}", values)  # noqa: S608 - conditions are ours
        return [Version(*row) for row in found]

    def newest(self) -> int:
        """The ``seq`` of the newest version, 0 when there is none."""
        with self._lock:
            found: int = self.rows("SELECT coalesce(max(seq), 0) FROM version", ())[0][0]
            return max(found - self._hidden, 0)

    def latest(self, type_: str, id_: str) -> Version | None:
        """The newest version of a resource, which may be its deletion; None when it never was."""
        with self._lock:
            upto = self.newest() if self._hidden else FOREVER
            # The plus keeps SQLite from choosing the index on seq, which would walk the whole type.
            where = "type = ? AND id = ? AND +seq <= ? ORDER BY number DESC LIMIT 1"
            found = self.versions(where, (type_, id_, upto))
        return found[0] if found else None

    @contextmanager
    def behind(self, writes: int) -> Iterator[None]:
        """What is read inside is as it was before the last ``writes`` versions were made; nothing may be written."""
        with self._lock:
            self._hidden = writes
            try:
                yield
            finally:
                self._hidden = 0

    @contextmanager
    def skewed(self, milliseconds: int) -> Iterator[None]:
        """What is written inside is dated that much later (earlier when negative), as by a server whose clock is off.

        So these versions may break the rule that ``updated`` never falls.
        """
        with self._lock:
            self._skew = milliseconds
            try:
                yield
            finally:
                self._skew = 0

    def version(self, type_: str, id_: str, number: int) -> Version | None:
        """One version of a resource, or None."""
        found = self.versions("type = ? AND id = ? AND number = ?", (type_, id_, number))
        return found[0] if found else None

    def write(self, method: str, status: int, id_: str, resource: Resource) -> Version:
        """Adds a version with this content and makes it current; the server's id, version and time are put in."""
        type_ = resource["resourceType"]
        with self.transaction():
            number = self._next_number(type_, id_)
            made = stamped(resource, id_, number, instants.text(self._instant + self._skew))
            return self._add(method, status, type_, id_, number, made)

    def delete(self, type_: str, id_: str) -> Version:
        """Adds a version that says the resource is gone."""
        with self.transaction():
            return self._add("DELETE", 204, type_, id_, self._next_number(type_, id_), None)

    def amend(self, version: Version, resource: Resource) -> Version:
        """Replaces the content of a version made in this same transaction, before anybody can have seen it."""
        made = stamped(resource, version.id, version.number, instants.text(version.updated))
        amended = replace(version, body=codec.dumps(made))
        with self.transaction():
            self._db.execute("UPDATE version SET body = ? WHERE seq = ?", (amended.body, version.seq))
            self._db.execute("DELETE FROM entry WHERE seq = ?", (version.seq,))
            self._index(version.seq, made)
        return amended

    def reset(self) -> None:
        """Forgets everything; numbering of versions starts anew, ``seq`` goes on."""
        with self.transaction():
            self._db.execute("DELETE FROM entry")
            self._db.execute("DELETE FROM version")

    def counts(self) -> dict[str, int]:
        """How many resources of each type there are now."""
        found = self.rows("SELECT type, count(*) FROM version WHERE until = ? GROUP BY type ORDER BY type", (FOREVER,))
        return dict(found)

    def close(self) -> None:
        """Ends the connection after whatever transaction is running."""
        with self._lock:
            self._db.close()

    def _next_number(self, type_: str, id_: str) -> int:
        latest = self.rows("SELECT max(number) FROM version WHERE type = ? AND id = ?", (type_, id_))[0][0]
        return 1 if latest is None else latest + 1

    def _add(self, method: str, status: int, type_: str, id_: str, number: int, resource: Resource | None) -> Version:
        body = None if resource is None else codec.dumps(resource)
        updated = self._instant + self._skew
        seq = self._db.execute(
            "INSERT INTO version (type, id, number, updated, method, status, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (type_, id_, number, updated, method, status, body),
        ).lastrowid
        assert seq is not None  # noqa: S101 - an INSERT that succeeded has one
        self._db.execute(
            "UPDATE version SET until = ? WHERE type = ? AND id = ? AND number = ? AND until = ?",
            (seq, type_, id_, number - 1, FOREVER),
        )
        if resource is None:
            self._db.execute("UPDATE version SET until = seq WHERE seq = ?", (seq,))
        else:
            self._index(seq, resource)
        return Version(seq, type_, id_, number, updated, method, status, body)

    def _index(self, seq: int, resource: Resource) -> None:
        type_ = resource["resourceType"]
        self._db.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?)",
            [(type_, code, value, seq) for code, value in sorted(indexing.rows(resource))],
        )
