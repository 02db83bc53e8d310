"""The tables of resources, of their versions, and of what searches look for in them.

A resource's JSON text is stored once, in ``version``; ``resource`` is its identity and points at the current version.
Index tables hold what searches look for. Those asked by equality (token, reference, uri) are keyed so that one value's
resources stand together in the order of ``rid``, which is the order of pages, with a second index by resource; those
asked by range (date, string, number, quantity) are keyed by resource, to probe one, with a second index by value. On
SQLite they have no rowid.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from fhirplan.store.tables.columns import KEY, TEXT, TIME, metadata, needed, one_of

resource: Final = Table(
    "resource",
    metadata,
    Column("rid", KEY, primary_key=True),
    needed("connection"),
    needed("type"),
    needed("id"),
    needed("vid", BigInteger),
    needed("version", BigInteger),
    needed("updated", TIME),
    needed("deleted", SmallInteger),
    UniqueConstraint("connection", "type", "id"),
    Index("ix_resource_updated", "connection", "type", "updated", "rid"),
    Index("ix_resource_order", "connection", "type", "rid"),
)

version: Final = Table(
    "version",
    metadata,
    Column("vid", KEY, primary_key=True),
    needed("rid", BigInteger),
    needed("version", BigInteger),
    needed("updated", TIME),
    needed("method"),
    needed("actor"),
    needed("request_id"),
    Column("body", LargeBinary),
    one_of("method", "create", "update", "delete"),
    UniqueConstraint("rid", "version"),
    # Who wrote what, newest first.
    Index("ix_version_actor", "actor", "vid"),
)

search_param: Final = Table(
    "search_param",
    metadata,
    Column("pid", KEY, primary_key=True),
    needed("connection"),
    needed("type"),
    needed("code"),
    # A digest of the declaration the rows were made by; when the catalog's differs, the rows must be made anew.
    needed("definition"),
    # active: searched. building: made by reindex, written by commits, not searched. retired: waits to be removed.
    needed("state"),
    # The last rid a rebuild has done, so that it can go on after a stop.
    needed("built", BigInteger),
    one_of("state", "active", "building", "retired"),
    Index("ix_search_param_name", "connection", "type", "code"),
)

coding_system: Final = Table(
    "coding_system",
    metadata,
    Column("sid", KEY, primary_key=True),
    needed("uri"),
    UniqueConstraint("uri"),
)


def _index_table(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        needed("pid", BigInteger),
        *columns,
        needed("rid", BigInteger),
        PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )


index_token: Final = _index_table(
    "index_token", needed("code"), needed("sid", BigInteger), key=("pid", "code", "rid", "sid")
)

index_reference: Final = _index_table(
    "index_reference", needed("target_type"), needed("target_id"), key=("pid", "target_id", "rid", "target_type")
)

index_uri: Final = _index_table("index_uri", needed("value"), key=("pid", "value", "rid"))
# For any code of a system.
Index("ix_index_token_system", index_token.c.pid, index_token.c.sid, index_token.c.rid)
# To ask one resource for its values: whether it has any, what it refers to, where it stands in an order.
for _table in (index_token, index_reference, index_uri):
    Index(f"ix_{_table.name}_rid", _table.c.rid, _table.c.pid)

index_date: Final = _index_table(
    "index_date",
    needed("low", TIME),
    needed("high", TIME),
    needed("period", SmallInteger),
    key=("pid", "rid", "low", "high", "period"),
)
Index("ix_index_date_value", index_date.c.pid, index_date.c.low, index_date.c.high, index_date.c.rid)

index_string: Final = _index_table("index_string", needed("value"), key=("pid", "rid", "value"))
Index("ix_index_string_value", index_string.c.pid, index_string.c.value, index_string.c.rid)

index_number: Final = _index_table(
    "index_number", needed("low", Double), needed("high", Double), key=("pid", "rid", "low", "high")
)
Index("ix_index_number_value", index_number.c.pid, index_number.c.low, index_number.c.high, index_number.c.rid)

index_quantity: Final = _index_table(
    "index_quantity",
    needed("low", Double),
    needed("high", Double),
    needed("sid", BigInteger),
    needed("code"),
    needed("unit"),
    key=("pid", "rid", "low", "high", "sid", "code", "unit"),
)
Index(
    "ix_index_quantity_value",
    *(index_quantity.c[name] for name in ("pid", "low", "high", "rid")),
)

setting: Final = Table(
    "setting",
    metadata,
    Column("name", TEXT, primary_key=True),
    needed("value"),
)
