"""SQLite: how a connection is opened and how writers of all processes take turns."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from fhirplan.errors import Misconfigured, StoreFull

# Milliseconds that SQLite waits for a lock held by a program outside ours, such as a backup.
BUSY_TIMEOUT: Final = 30_000
# Rows changed until a background thread copies the write-ahead log to the database itself: about 40 MB of log.
CHECKPOINT_ROWS: Final = 5_000
# Pages in the log that writers are made to wait for, so that it begins anew instead of growing on.
LOG_PAGES: Final = 20_000
# Pages in the log before a commit copies them itself, should no background thread get to it.
AUTOCHECKPOINT: Final = 60_000
# Bytes that the log's file keeps when it begins anew: to write where there is room already is cheaper.
_LOG_BYTES: Final = 160_000_000
# KiB of pages kept by each connection.
CACHE: Final = 16_000
_STATEMENTS: Final = 512
_OWNER_ONLY: Final = 0o600
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def path_of(url: str) -> Path:
    """The file that a ``sqlite:///FILE`` url names; raises Misconfigured for anything else, memory included."""
    file = url.removeprefix("sqlite:///")
    if file == url or not file or file.startswith(":") or "?" in file:
        raise Misconfigured(
            "database_url is no SQLite file. Write sqlite:///FILE, with a fourth slash for an absolute path."
        )
    return Path(file).absolute()


def raise_full(error: BaseException) -> None:
    """Raises StoreFull in place of what the driver says when the disk has no room or fails; else returns."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.OperationalError) and code is not None and code & 0xFF in _FULL:
        raise StoreFull(
            "There is no room left on the server's disk, so nothing of this was stored. Tell the server's operator, "
            "and send it again later; what was stored before is safe and can be read."
        ) from error


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """A connection whose commits are on the disk once ``Log.sync`` returns; only ``create`` makes a file.

    Raises Misconfigured where the file is missing or is no database.
    """
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"The folder {path.parent} cannot be made: {error.strerror}. Name another by data_dir or database_url."
            ) from None
        if not path.exists():
            # Patients' records are for this server's own user; SQLite gives its journals the mode of the database.
            with suppress(OSError):  # SQLite tells better what is wrong with the place
                path.touch(_OWNER_ONLY)
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT}",
            "journal_mode=WAL",
            # The log is brought to the disk by Log.sync, after the next writer is let in.
            "synchronous=NORMAL",
            f"journal_size_limit={_LOG_BYTES}",
            f"wal_autocheckpoint={AUTOCHECKPOINT}",
            f"cache_size=-{CACHE}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError as error:
        raise Misconfigured(_what_to_do(path, error)) from None
    return connection


def _what_to_do(path: Path, error: sqlite3.DatabaseError) -> str:
    if not path.exists():
        return f"There is no database at {path}. Make it with: fhirplan migrate"
    return f"The database {path} cannot be opened: {error}. Check that it is a SQLite file and that it may be written."


class WriterLock:
    """One writer at a time over all threads and processes, in the order they came.

    SQLite's own lock makes waiting writers poll, which costs a quarter of the writes and lets some wait long.
    """

    def __init__(self, database: Path) -> None:
        self._file = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> None:
        """Waits until no other thread or process holds it."""
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        """Lets the next one in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives the file back; a held lock is released."""
        os.close(self._file)


class Log:
    """The write-ahead log of a database that a connection is open to.

    With synchronous=FULL each commit would wait for the disk while it keeps all other writers waiting. SQLite appends
    commits to the log in their order, so that one ``sync`` brings a commit and all before it to the disk.
    """

    def __init__(self, database: Path) -> None:
        self._path: Final = f"{database}-wal"
        self._file = -1

    def sync(self) -> None:
        """Returns when all that was committed before is on the disk; raises StoreFull when the disk fails."""
        try:
            if self._file < 0:
                # The file stays the same one as long as the connection is open.
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            _to_disk(self._file)
        except OSError as error:
            raise StoreFull(
                "The server's disk failed while this was being stored, so it may be stored or not. Tell the server's "
                "operator, and look whether it is there before you send it again."
            ) from error

    def close(self) -> None:
        """Gives the file back."""
        if self._file >= 0:
            os.close(self._file)


# Data and size, without the times of the file, where the system can tell these apart.
_to_disk: Final = getattr(os, "fdatasync", os.fsync)
