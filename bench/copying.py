"""Makes a PostgreSQL database of some patients into one of many times as many, by copying rows in SQL.

Filling through our own commits costs a quarter of a millisecond a resource and more; copies cost a fifth of that. A
copy has ids, identifiers, names and references of its own in all that searches look at; its JSON is its original's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import filling
import people
import psycopg

# Copies number their patients p1000, p1001, and so on, behind the originals p0 to p999.
PATIENTS = 1000
_INDEXES = ("index_token", "index_reference", "index_uri", "index_date", "index_string")
_NAMED = frozenset({"id", "code", "target_id", "value"})
_OWN = ("resource", "version", *_INDEXES)


@contextlib.contextmanager
def postgresql(count: int) -> Iterator[str]:
    """The url of a schema with about so many resources, dropped afterwards."""
    first = PATIENTS * people.PER_PATIENT
    with filling.postgresql(first) as url, psycopg.connect(url, autocommit=True) as server:
        _multiply(server, count // first)
        yield url


def _multiply(server: psycopg.Connection[tuple[str, ...]], times: int) -> None:
    """Copies all resources so often that there are ``times`` as many, and makes the indexes anew afterwards."""
    server.execute("SET maintenance_work_mem = '512MB'")
    [(last,)] = server.execute("SELECT greatest((SELECT max(rid) FROM resource), (SELECT max(vid) FROM version))")
    again = []
    for table in _OWN:
        again += _without_indexes(server, table)
        server.execute(f"ALTER TABLE {table} SET UNLOGGED")
    for table in _OWN:
        columns = [
            row[0]
            for row in server.execute(
                "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() "
                "AND table_name = %s ORDER BY ordinal_position",
                (table,),
            )
        ]
        values = ", ".join(_copied(column, last) for column in columns)
        server.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "
            f"FROM generate_series(1, {times - 1}) AS copy, {table}"
        )
    for statement in again:
        server.execute(statement)


def _without_indexes(server: psycopg.Connection[tuple[str, ...]], table: str) -> list[str]:
    """Takes the indexes off a table; gives what makes them again."""
    constraints = server.execute(
        "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass "
        "AND contype IN ('p', 'u')",
        (table,),
    ).fetchall()
    names = {name for name, _ in constraints}
    again = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}" for name, text in constraints]
    for name in names:
        server.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    left = server.execute(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = %s",
        (table,),
    ).fetchall()
    for name, text in left:
        server.execute(f"DROP INDEX {name}")
        again.append(text)
    return again


def _copied(column: str, last: str) -> str:
    """The value of a column in a copy: numbers behind all others, names with the number of the copy in them."""
    if column in ("rid", "vid"):
        return f"{column} + copy * {last}"
    if column not in _NAMED:
        return column
    made = column
    for digits in (3, 2, 1):
        zeros = "0" * (3 - digits)
        made = rf"regexp_replace({made}, 'p(\d{{{digits}}})(?!\d)', 'p' || copy || '{zeros}\1')"
    return f"CASE WHEN {column} ~ 'p[0-9]' THEN {made} ELSE {column} END"
