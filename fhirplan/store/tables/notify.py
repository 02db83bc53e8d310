"""The tables of who is told of changes, and of what they are told."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table

from fhirplan.store.tables.columns import KEY, TEXT, TIME, metadata, needed, one_of

# Who is told of changes: what a Subscription asks for, read once, and how far its telling has come.
subscriber: Final = Table(
    "subscriber",
    metadata,
    needed("connection"),
    needed("id"),
    needed("type"),
    # "" for a subscription by a search of its own; ``filters`` are JSON, an array of [name, value].
    needed("topic"),
    needed("filters"),
    needed("endpoint"),
    # Sealed, since they hold secrets; empty for none.
    needed("headers", LargeBinary),
    needed("media"),
    needed("content"),
    needed("heartbeat", Integer),
    needed("timeout", Integer),
    needed("most", Integer),
    needed("ends", TIME),
    # JSON of the grant it was made with; "" on an open server.
    needed("owner"),
    needed("state"),
    # The number of the newest event, and of the newest one that arrived.
    needed("events", BigInteger),
    needed("sent", BigInteger),
    needed("due", TIME),
    needed("told", TIME),
    needed("attempts", Integer),
    Column("claimed_by", TEXT),
    Column("lease_until", TIME),
    PrimaryKeyConstraint("connection", "id"),
    Index("ix_subscriber_due", "connection", "state", "due"),
    one_of("state", "requested", "active", "error", "off"),
)

# Changes that somebody may have to be told of, written with the change; they go when it is known who.
told_change: Final = Table(
    "told_change",
    metadata,
    Column("cid", KEY, primary_key=True),
    needed("connection"),
    needed("type"),
    needed("id"),
    needed("version", BigInteger),
    needed("at", TIME),
    sqlite_autoincrement=True,
)

# What a subscriber is told, numbered by subscriber, kept for a while so that it can be asked for again.
subscription_event: Final = Table(
    "subscription_event",
    metadata,
    needed("connection"),
    needed("subscription"),
    needed("number", BigInteger),
    needed("type"),
    needed("id"),
    needed("version", BigInteger),
    needed("at", TIME),
    PrimaryKeyConstraint("connection", "subscription", "number"),
    Index("ix_subscription_event_at", "connection", "at"),
)
