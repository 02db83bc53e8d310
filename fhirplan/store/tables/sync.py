"""The tables by which both sides are brought to agree, and of how far that has come."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from fhirplan.store.tables.columns import KEY, TEXT, TIME, metadata, needed, one_of

outbox: Final = Table(
    "outbox",
    metadata,
    Column("oid", KEY, primary_key=True),
    needed("connection"),
    needed("type"),
    needed("id"),
    needed("rid", BigInteger),
    needed("version", BigInteger),
    needed("method"),
    # The patient it concerns as "Patient/x", or "": rows of one lane are sent in their order.
    needed("lane"),
    needed("created", TIME),
    needed("due", TIME),
    needed("attempts", Integer),
    needed("state"),
    Column("lease_until", TIME),
    Column("claimed_by", TEXT),
    Column("outcome", TEXT),
    one_of("method", "create", "update", "delete"),
    one_of("state", "waiting", "claimed", "done", "parked", "held"),
    Index("ix_outbox_state", "connection", "state", "due", "oid"),
    Index("ix_outbox_resource", "connection", "type", "id", "oid"),
    # An oid is named in receipts and logs, so it is never given twice.
    sqlite_autoincrement=True,
)

link: Final = Table(
    "link",
    metadata,
    needed("connection"),
    needed("type"),
    needed("id"),
    needed("ehr_id"),
    needed("ehr_version"),
    needed("ehr_updated"),
    Column("base", LargeBinary),
    needed("local_version", BigInteger),
    needed("ehr_gone", SmallInteger),
    needed("updated", TIME),
    PrimaryKeyConstraint("connection", "type", "id"),
    UniqueConstraint("connection", "type", "ehr_id"),
)

checkpoint: Final = Table(
    "checkpoint",
    metadata,
    needed("connection"),
    needed("type"),
    needed("since"),
    needed("updated", TIME),
    PrimaryKeyConstraint("connection", "type"),
)

conflict: Final = Table(
    "conflict",
    metadata,
    Column("cid", KEY, primary_key=True),
    needed("connection"),
    needed("type"),
    needed("id"),
    Column("base", LargeBinary),
    Column("local", LargeBinary),
    Column("remote", LargeBinary),
    needed("ehr_version"),
    needed("paths"),
    needed("state"),
    needed("created", TIME),
    Column("resolved", TIME),
    # Who decided and how (ours, theirs, fields, edited), and the version of ours that came of it.
    Column("resolved_by", TEXT),
    Column("decision", TEXT),
    Column("decided_version", BigInteger),
    one_of("state", "open", "resolved"),
    Index("ix_conflict_resource", "connection", "type", "id", "state"),
    sqlite_autoincrement=True,
)

receipt: Final = Table(
    "receipt",
    metadata,
    Column("seq", KEY, primary_key=True),
    Column("oid", BigInteger),
    needed("connection"),
    needed("type"),
    needed("id"),
    needed("version", BigInteger),
    needed("route"),
    needed("state"),
    Column("ehr_id", TEXT),
    Column("ehr_version", TEXT),
    Column("outcome", TEXT),
    needed("at", TIME),
    one_of("state", "sent", "waiting", "parked", "conflict"),
    Index("ix_receipt_resource", "connection", "type", "id", "version"),
)

finding: Final = Table(
    "finding",
    metadata,
    needed("rid", BigInteger),
    needed("version", BigInteger),
    needed("outcome"),
    PrimaryKeyConstraint("rid", "version"),
)

# Whether a connection's EHR may be called: shared by all workers, so that none keeps calling one that is down.
circuit: Final = Table(
    "circuit",
    metadata,
    Column("connection", TEXT, primary_key=True),
    # Calls in a row that failed; the time before which it is not called; how long the last pause was.
    needed("failures", Integer),
    needed("until", TIME),
    needed("pause", BigInteger),
    # 1 where the EHR itself asked for the pause (Retry-After).
    needed("asked", SmallInteger),
    needed("reason"),
    needed("since", TIME),
)

# What the EHR's notices say has changed there, until it is fetched; an empty id: ask for all that changed.
notice: Final = Table(
    "notice",
    metadata,
    needed("connection"),
    needed("type"),
    needed("ehr_id"),
    needed("at", TIME),
    PrimaryKeyConstraint("connection", "type", "ehr_id"),
)

# What the EHR refused to tell of a resource, or of one type of a patient's.
refusal: Final = Table(
    "refusal",
    metadata,
    needed("connection"),
    needed("type"),
    needed("about"),
    needed("ehr_id"),
    needed("asked", TIME),
    needed("said"),
    one_of("about", "resource", "patient"),
    PrimaryKeyConstraint("connection", "type", "about", "ehr_id"),
)

# The number of the last event of each subscription at the EHR, by which a lost notice shows.
notice_course: Final = Table(
    "notice_course",
    metadata,
    needed("connection"),
    needed("subscription"),
    needed("event", BigInteger),
    needed("updated", TIME),
    PrimaryKeyConstraint("connection", "subscription"),
)

# What an EHR offered when it was last probed, and how that differs from what it once offered, both as JSON.
offer: Final = Table(
    "offer",
    metadata,
    Column("connection", TEXT, primary_key=True),
    needed("offered"),
    needed("drift"),
    needed("probed", TIME),
)

# What a connection's passes did, over all workers.
activity: Final = Table(
    "activity",
    metadata,
    Column("connection", TEXT, primary_key=True),
    needed("calls", BigInteger),
    needed("errors", BigInteger),
    needed("pulled", TIME),
    needed("pushed", TIME),
)
