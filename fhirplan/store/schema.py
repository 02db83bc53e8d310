"""Brings the schema to a revision and says whether a database has the one this program knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhirplan.errors import Misconfigured
from fhirplan.store import sqlite

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

# The newest revision in migrations/versions; a test keeps it so. Known here so that serving needs no Alembic.
HEAD: Final = "0016"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_TABLES: Final = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    "postgresql": "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('alembic_version')",
}
_REVISION: Final = "SELECT version_num FROM alembic_version"


def migrate(url: str, revision: str = "head") -> None:
    """Brings the schema at ``url`` up or down to ``revision`` ("head", "base" or a number), all or nothing.

    Makes the SQLite file where there is none. Raises Misconfigured when the database is newer than this program.
    """
    from alembic import command

    with connected(url, create=True) as connection:
        here = revision_of(connection.connection.dbapi_connection, connection.dialect.name)
        if here > HEAD:
            raise _newer(here)
        target = {"head": HEAD, "base": ""}.get(revision, revision)
        move = command.downgrade if target < here else command.upgrade
        move(configuration(connection), revision)
        connection.commit()


def current(url: str) -> str:
    """The revision of the schema at ``url``, "" when it was never migrated or there is no SQLite file."""
    if url.startswith("sqlite:") and not sqlite.path_of(url).exists():
        return ""
    with connected(url, create=False) as connection:
        return revision_of(connection.connection.dbapi_connection, connection.dialect.name)


def check(driver: Any, dialect: str) -> None:
    """Raises Misconfigured, with what to do, unless the database has exactly the schema this program knows."""
    try:
        here = revision_of(driver, dialect)
    except sqlite3.DatabaseError as error:
        raise Misconfigured(f"The database cannot be read: {error}. Check that database_url names ours.") from None
    if here > HEAD:
        raise _newer(here)
    if here < HEAD:
        state = f"has the schema of revision {here}" if here else "has no tables yet"
        raise Misconfigured(f"The database {state}; this program needs {HEAD}. Run: fhirplan migrate")


def revision_of(driver: Any, dialect: str) -> str:
    """The revision that a driver's connection sees, "" for none."""
    if not driver.execute(_TABLES[dialect]).fetchone()[0]:
        return ""
    row = driver.execute(_REVISION).fetchone()
    return str(row[0]) if row else ""


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration of this package, without an alembic.ini; ``connection`` is where a migration runs."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


@contextmanager
def connected(url: str, *, create: bool = False) -> Iterator[Connection]:
    """A connection of SQLAlchemy, for what is done to a database as a whole; ``create`` makes a SQLite file."""
    from sqlalchemy import create_engine, event, pool

    if url.startswith("sqlite:"):
        path = sqlite.path_of(url)
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite.connect(path, create=create), poolclass=pool.NullPool
        )
        # Python's driver starts no transaction before DDL, so a migration that failed half way would stay half done.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    else:
        from fhirplan.store import postgresql

        postgresql.connect(url).close()
        tail = url.split(":", 1)[1]
        engine = create_engine(f"postgresql+psycopg:{tail}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _newer(here: str) -> Misconfigured:
    return Misconfigured(
        f"The database has the schema of revision {here}, made by a newer fhirplan; this one knows {HEAD}. "
        "Install the newer version, or restore a backup made before it."
    )
