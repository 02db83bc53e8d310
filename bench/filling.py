"""Fills databases with synthetic people, on SQLite and on PostgreSQL, and keeps large ones for the next run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import people

SERVER = os.environ.get("FHIRPLAN_TEST_POSTGRESQL", "postgresql://root@127.0.0.1/test")
_AT_ONCE = 1000


def fill(url: str, count: int, *, say: bool = False) -> None:
    """Makes the tables there and puts that many resources into them."""
    from fhirplan.store.commit import Change, Origin, commit
    from fhirplan.store.engine import Database

    database = Database.open(url)
    database.migrate()
    origin = Origin(actor="bench", request_id="bench", source="api", push=False)
    changes: list[Change] = []
    begun = time.monotonic()

    def write(done: int) -> None:
        with database.write() as tx:
            commit(tx, "default", changes, now=time.time_ns() // 1_000_000, origin=origin)
        changes.clear()
        if say and done % 50_000 == 0:
            print(f"  {done} of {count} resources in {time.monotonic() - begun:.0f} s", flush=True)

    for done, item in enumerate(people.resources(count // people.PER_PATIENT), 1):
        changes.append(Change("create", item["resourceType"], item["id"], item))
        if done % _AT_ONCE == 0:
            write(done)
    write(count)
    database.checkpoint()
    database.close()


@contextlib.contextmanager
def postgresql(count: int) -> Iterator[str]:
    """The url of a schema of its own with that many resources, dropped afterwards."""
    import psycopg

    schema = f"bench{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {schema}")
        try:
            url = f"{SERVER}?options=-csearch_path%3D{schema}&application_name={schema}"
            fill(url, count)
            yield url
        finally:
            server.execute(f"DROP SCHEMA {schema} CASCADE")


def has_postgresql() -> str:
    """Empty where PostgreSQL answers, else why it is left out."""
    try:
        import psycopg
    except ImportError:
        return "psycopg is not installed"
    try:
        psycopg.connect(SERVER, connect_timeout=2).close()
    except psycopg.OperationalError:
        return f"no PostgreSQL answers at {SERVER}; FHIRPLAN_TEST_POSTGRESQL names another"
    return ""


def kept(folder: Path, count: int) -> str:
    """The url of a SQLite file of that size in ``folder``, made there when it is not there yet."""
    from fhirplan.store.schema import HEAD

    made_by = hashlib.sha256(Path(people.__file__).read_bytes()).hexdigest()[:8]
    path = folder / f"{count}-{HEAD}-{made_by}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill(f"sqlite:///{making}", count, say=count >= 200_000)
        for suffix in ("-wal", "-shm", ".lock"):
            Path(f"{making}{suffix}").unlink(missing_ok=True)
        making.rename(path)
    return f"sqlite:///{path}"


if __name__ == "__main__":
    import sys

    print(kept(Path(sys.argv[1]), int(sys.argv[2])))
