"""All tables of the database, as SQLAlchemy metadata.

Times are integer milliseconds since 1970-01-01 UTC. Everything that belongs to an EHR endpoint carries its
``connection`` by name, directly or through the ``rid`` of a resource or the ``pid`` of a search parameter.

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
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a table its own row number only to INTEGER, and compares text by bytes, as pages and prefixes need it.
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")
_TEXT: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_TIME: Final = BigInteger()


def _needed(name: str, kind: Any = _TEXT, **more: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **more)


def _one_of(column: str, *allowed: str) -> CheckConstraint:
    listed = ", ".join(f"'{item}'" for item in allowed)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


resource: Final = Table(
    "resource",
    metadata,
    Column("rid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    _needed("vid", BigInteger),
    _needed("version", BigInteger),
    _needed("updated", _TIME),
    _needed("deleted", SmallInteger),
    UniqueConstraint("connection", "type", "id"),
    Index("ix_resource_updated", "connection", "type", "updated", "rid"),
    Index("ix_resource_order", "connection", "type", "rid"),
)

version: Final = Table(
    "version",
    metadata,
    Column("vid", _KEY, primary_key=True),
    _needed("rid", BigInteger),
    _needed("version", BigInteger),
    _needed("updated", _TIME),
    _needed("method"),
    _needed("actor"),
    _needed("request_id"),
    Column("body", LargeBinary),
    _one_of("method", "create", "update", "delete"),
    UniqueConstraint("rid", "version"),
    # Who wrote what, newest first.
    Index("ix_version_actor", "actor", "vid"),
)

search_param: Final = Table(
    "search_param",
    metadata,
    Column("pid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("type"),
    _needed("code"),
    # A digest of the declaration the rows were made by; when the catalog's differs, the rows must be made anew.
    _needed("definition"),
    # active: searched. building: made by reindex, written by commits, not searched. retired: waits to be removed.
    _needed("state"),
    # The last rid a rebuild has done, so that it can go on after a stop.
    _needed("built", BigInteger),
    _one_of("state", "active", "building", "retired"),
    Index("ix_search_param_name", "connection", "type", "code"),
)

coding_system: Final = Table(
    "coding_system",
    metadata,
    Column("sid", _KEY, primary_key=True),
    _needed("uri"),
    UniqueConstraint("uri"),
)


def _index_table(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        _needed("pid", BigInteger),
        *columns,
        _needed("rid", BigInteger),
        PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )


index_token: Final = _index_table(
    "index_token", _needed("code"), _needed("sid", BigInteger), key=("pid", "code", "rid", "sid")
)
index_reference: Final = _index_table(
    "index_reference", _needed("target_type"), _needed("target_id"), key=("pid", "target_id", "rid", "target_type")
)
index_uri: Final = _index_table("index_uri", _needed("value"), key=("pid", "value", "rid"))
# For any code of a system.
Index("ix_index_token_system", index_token.c.pid, index_token.c.sid, index_token.c.rid)
# To ask one resource for its values: whether it has any, what it refers to, where it stands in an order.
for _table in (index_token, index_reference, index_uri):
    Index(f"ix_{_table.name}_rid", _table.c.rid, _table.c.pid)
index_date: Final = _index_table(
    "index_date",
    _needed("low", _TIME),
    _needed("high", _TIME),
    _needed("period", SmallInteger),
    key=("pid", "rid", "low", "high", "period"),
)
Index("ix_index_date_value", index_date.c.pid, index_date.c.low, index_date.c.high, index_date.c.rid)
index_string: Final = _index_table("index_string", _needed("value"), key=("pid", "rid", "value"))
Index("ix_index_string_value", index_string.c.pid, index_string.c.value, index_string.c.rid)
index_number: Final = _index_table(
    "index_number", _needed("low", Double), _needed("high", Double), key=("pid", "rid", "low", "high")
)
Index("ix_index_number_value", index_number.c.pid, index_number.c.low, index_number.c.high, index_number.c.rid)
index_quantity: Final = _index_table(
    "index_quantity",
    _needed("low", Double),
    _needed("high", Double),
    _needed("sid", BigInteger),
    _needed("code"),
    _needed("unit"),
    key=("pid", "rid", "low", "high", "sid", "code", "unit"),
)
Index(
    "ix_index_quantity_value",
    *(index_quantity.c[name] for name in ("pid", "low", "high", "rid")),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("oid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    _needed("rid", BigInteger),
    _needed("version", BigInteger),
    _needed("method"),
    # The patient it concerns as "Patient/x", or "": rows of one lane are sent in their order.
    _needed("lane"),
    _needed("created", _TIME),
    _needed("due", _TIME),
    _needed("attempts", Integer),
    _needed("state"),
    Column("lease_until", _TIME),
    Column("claimed_by", _TEXT),
    Column("outcome", _TEXT),
    _one_of("method", "create", "update", "delete"),
    _one_of("state", "waiting", "claimed", "done", "parked", "held"),
    Index("ix_outbox_state", "connection", "state", "due", "oid"),
    Index("ix_outbox_resource", "connection", "type", "id", "oid"),
    # An oid is named in receipts and logs, so it is never given twice.
    sqlite_autoincrement=True,
)

link: Final = Table(
    "link",
    metadata,
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    _needed("ehr_id"),
    _needed("ehr_version"),
    _needed("ehr_updated"),
    Column("base", LargeBinary),
    _needed("local_version", BigInteger),
    _needed("ehr_gone", SmallInteger),
    _needed("updated", _TIME),
    PrimaryKeyConstraint("connection", "type", "id"),
    UniqueConstraint("connection", "type", "ehr_id"),
)

checkpoint: Final = Table(
    "checkpoint",
    metadata,
    _needed("connection"),
    _needed("type"),
    _needed("since"),
    _needed("updated", _TIME),
    PrimaryKeyConstraint("connection", "type"),
)

conflict: Final = Table(
    "conflict",
    metadata,
    Column("cid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    Column("base", LargeBinary),
    Column("local", LargeBinary),
    Column("remote", LargeBinary),
    _needed("ehr_version"),
    _needed("paths"),
    _needed("state"),
    _needed("created", _TIME),
    Column("resolved", _TIME),
    # Who decided and how (ours, theirs, fields, edited), and the version of ours that came of it.
    Column("resolved_by", _TEXT),
    Column("decision", _TEXT),
    Column("decided_version", BigInteger),
    _one_of("state", "open", "resolved"),
    Index("ix_conflict_resource", "connection", "type", "id", "state"),
    sqlite_autoincrement=True,
)

receipt: Final = Table(
    "receipt",
    metadata,
    Column("seq", _KEY, primary_key=True),
    Column("oid", BigInteger),
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    _needed("version", BigInteger),
    _needed("route"),
    _needed("state"),
    Column("ehr_id", _TEXT),
    Column("ehr_version", _TEXT),
    Column("outcome", _TEXT),
    _needed("at", _TIME),
    _one_of("state", "sent", "waiting", "parked", "conflict"),
    Index("ix_receipt_resource", "connection", "type", "id", "version"),
)

finding: Final = Table(
    "finding",
    metadata,
    _needed("rid", BigInteger),
    _needed("version", BigInteger),
    _needed("outcome"),
    PrimaryKeyConstraint("rid", "version"),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("aid", _KEY, primary_key=True),
    _needed("at", _TIME),
    _needed("connection"),
    _needed("actor"),
    _needed("action"),
    Column("type", _TEXT),
    Column("id", _TEXT),
    Column("version", BigInteger),
    _needed("request_id"),
    _needed("outcome"),
    # Whose patient's record it was, as an id, "" where none is known; where the caller was; what was asked.
    _needed("patient", server_default=""),
    _needed("address", server_default=""),
    _needed("kind", server_default=""),
    _needed("query", server_default=""),
    # By which client and by which grant of ours, "" where there is none.
    _needed("client", server_default=""),
    _needed("grant_id", server_default=""),
    _one_of("action", "C", "R", "U", "D", "E"),
    Index("ix_audit_patient", "connection", "patient", "aid"),
    Index("ix_audit_at", "connection", "at"),
)

# Whether a connection's EHR may be called: shared by all workers, so that none keeps calling one that is down.
circuit: Final = Table(
    "circuit",
    metadata,
    Column("connection", _TEXT, primary_key=True),
    # Calls in a row that failed; the time before which it is not called; how long the last pause was.
    _needed("failures", Integer),
    _needed("until", _TIME),
    _needed("pause", BigInteger),
    # 1 where the EHR itself asked for the pause (Retry-After).
    _needed("asked", SmallInteger),
    _needed("reason"),
    _needed("since", _TIME),
)

# What a viewer of the chart began to write and has not saved; only the same viewer's page gets it back.
draft: Final = Table(
    "draft",
    metadata,
    _needed("connection"),
    _needed("viewer"),
    _needed("patient"),
    # Which form, as the page names it.
    _needed("form"),
    _needed("text"),
    _needed("updated", _TIME),
    PrimaryKeyConstraint("connection", "viewer", "patient", "form"),
    Index("ix_draft_updated", "updated"),
)

# How far a viewer has seen the changes of a patient: all up to the audit row ``until``, and ``more`` (JSON numbers).
look: Final = Table(
    "look",
    metadata,
    _needed("connection"),
    _needed("viewer"),
    _needed("patient"),
    _needed("until", BigInteger),
    _needed("more"),
    _needed("at", _TIME),
    PrimaryKeyConstraint("connection", "viewer", "patient"),
)

# What the EHR's notices say has changed there, until it is fetched; an empty id: ask for all that changed.
notice: Final = Table(
    "notice",
    metadata,
    _needed("connection"),
    _needed("type"),
    _needed("ehr_id"),
    _needed("at", _TIME),
    PrimaryKeyConstraint("connection", "type", "ehr_id"),
)

# The number of the last event of each subscription at the EHR, by which a lost notice shows.
notice_course: Final = Table(
    "notice_course",
    metadata,
    _needed("connection"),
    _needed("subscription"),
    _needed("event", BigInteger),
    _needed("updated", _TIME),
    PrimaryKeyConstraint("connection", "subscription"),
)

# What an EHR offered when it was last probed, and how that differs from what it once offered, both as JSON.
offer: Final = Table(
    "offer",
    metadata,
    Column("connection", _TEXT, primary_key=True),
    _needed("offered"),
    _needed("drift"),
    _needed("probed", _TIME),
)

# What a connection's passes did, over all workers.
activity: Final = Table(
    "activity",
    metadata,
    Column("connection", _TEXT, primary_key=True),
    _needed("calls", BigInteger),
    _needed("errors", BigInteger),
    _needed("pulled", _TIME),
    _needed("pushed", _TIME),
)

emergency: Final = Table(
    "emergency",
    metadata,
    Column("eid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("who"),
    _needed("patient"),
    _needed("reason"),
    _needed("at", _TIME),
    _needed("until", _TIME),
    Index("ix_emergency_who", "connection", "who", "until"),
    sqlite_autoincrement=True,
)

setting: Final = Table(
    "setting",
    metadata,
    Column("name", _TEXT, primary_key=True),
    _needed("value"),
)

# Patients whose coordination state is to be computed again: a row for each change, so that writers never wait for each
# other. A projection removes the rows that it saw.
patient_mark: Final = Table(
    "patient_mark",
    metadata,
    Column("mid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("patient"),
    _needed("at", _TIME),
    Index("ix_patient_mark_patient", "connection", "patient", "mid"),
)

caseload: Final = Table(
    "caseload",
    metadata,
    _needed("connection"),
    _needed("plan"),
    _needed("patient"),
    _needed("name"),
    # The name as it is looked for: without case and accents.
    _needed("sought"),
    _needed("birth"),
    _needed("title"),
    _needed("status"),
    _needed("lead"),
    _needed("acuity"),
    _needed("stage"),
    _needed("risk"),
    # Codes with a space before, between and after them.
    _needed("programs"),
    _needed("settings"),
    _needed("referrals", Integer),
    _needed("changes", Integer),
    _needed("goals_achieved", Integer),
    _needed("at_risk", SmallInteger),
    Column("off_from", _TIME),
    Column("high_off_from", _TIME),
    Column("last_contact", _TIME),
    Column("contact_due", _TIME),
    # When it was computed, and when the clock alone will change what others are told of it.
    _needed("projected", _TIME),
    _needed("next", _TIME),
    PrimaryKeyConstraint("connection", "plan"),
    Index("ix_caseload_patient", "connection", "patient"),
    Index("ix_caseload_next", "connection", "next"),
)

caseload_work: Final = Table(
    "caseload_work",
    metadata,
    _needed("connection"),
    _needed("plan"),
    _needed("task"),
    _needed("title"),
    _needed("type"),
    _needed("status"),
    _needed("priority"),
    _needed("owner"),
    _needed("planned", SmallInteger),
    _needed("blocked", SmallInteger),
    _needed("unassigned", SmallInteger),
    _needed("grave", SmallInteger),
    Column("due", _TIME),
    PrimaryKeyConstraint("connection", "plan", "task"),
    Index("ix_caseload_work_owner", "connection", "owner", "due"),
    # All that a plan's work is counted by, so that counting reads nothing else.
    Index("ix_caseload_work_state", "connection", "plan", "planned", "blocked", "unassigned", "grave", "due"),
)

# A program that may ask for access: ``kind`` is how it proves who it is; lists are texts with spaces between.
client: Final = Table(
    "client",
    metadata,
    Column("client_id", _TEXT, primary_key=True),
    _needed("connection"),
    _needed("name"),
    _needed("kind"),
    # SHA-256 of a secret of 256 random bits, which therefore needs no salt; "" where there is none.
    _needed("secret_digest"),
    _needed("jwks"),
    _needed("jwks_url"),
    _needed("scopes"),
    _needed("redirect_uris"),
    _needed("launch_uris"),
    _needed("created", _TIME),
    Column("disabled", _TIME),
    _one_of("kind", "public", "secret", "key"),
)

# What one person, or nobody but a client, has let a client do; every token names its grant.
access_grant: Final = Table(
    "access_grant",
    metadata,
    Column("gid", _TEXT, primary_key=True),
    _needed("connection"),
    _needed("client_id"),
    _needed("subject"),
    _needed("fhir_user"),
    _needed("scope"),
    _needed("patient"),
    _needed("encounter"),
    _needed("created", _TIME),
    _needed("expires", _TIME),
    Column("revoked", _TIME),
    Index("ix_access_grant_client", "client_id", "revoked"),
    Index("ix_access_grant_expires", "expires"),
)

# A secret that was handed out to be brought back once: only its digest is here, and what it stands for is sealed.
ticket: Final = Table(
    "ticket",
    metadata,
    _needed("kind"),
    _needed("digest"),
    _needed("gid"),
    _needed("body", LargeBinary),
    _needed("expires", _TIME),
    Column("used", _TIME),
    PrimaryKeyConstraint("kind", "digest"),
    Index("ix_ticket_expires", "expires"),
)

# Assertions that were used, each until it ends by itself, so that none is used twice.
seen_assertion: Final = Table(
    "seen_assertion",
    metadata,
    _needed("issuer"),
    _needed("jti"),
    _needed("expires", _TIME),
    PrimaryKeyConstraint("issuer", "jti"),
    Index("ix_seen_assertion_expires", "expires"),
)

# One opening of our pages from a chart; ``body`` holds the EHR's tokens and context, sealed.
launch_session: Final = Table(
    "launch_session",
    metadata,
    Column("sid", _TEXT, primary_key=True),
    _needed("digest"),
    _needed("connection"),
    _needed("subject"),
    _needed("fhir_user"),
    _needed("patient"),
    _needed("encounter"),
    _needed("body", LargeBinary),
    _needed("renew_at", _TIME),
    _needed("created", _TIME),
    _needed("expires", _TIME),
    Index("ix_launch_session_expires", "expires"),
)

# What clinicians did with a card, once for each card.
cds_feedback: Final = Table(
    "cds_feedback",
    metadata,
    _needed("connection"),
    _needed("issuer"),
    _needed("card"),
    _needed("service"),
    _needed("outcome"),
    _needed("suggestions"),
    _needed("reason"),
    _needed("at", _TIME),
    PrimaryKeyConstraint("connection", "issuer", "card"),
    _one_of("outcome", "accepted", "overridden"),
)

# Who is told of changes: what a Subscription asks for, read once, and how far its telling has come.
subscriber: Final = Table(
    "subscriber",
    metadata,
    _needed("connection"),
    _needed("id"),
    _needed("type"),
    # "" for a subscription by a search of its own; ``filters`` are JSON, an array of [name, value].
    _needed("topic"),
    _needed("filters"),
    _needed("endpoint"),
    # Sealed, since they hold secrets; empty for none.
    _needed("headers", LargeBinary),
    _needed("media"),
    _needed("content"),
    _needed("heartbeat", Integer),
    _needed("timeout", Integer),
    _needed("most", Integer),
    _needed("ends", _TIME),
    # JSON of the grant it was made with; "" on an open server.
    _needed("owner"),
    _needed("state"),
    # The number of the newest event, and of the newest one that arrived.
    _needed("events", BigInteger),
    _needed("sent", BigInteger),
    _needed("due", _TIME),
    _needed("told", _TIME),
    _needed("attempts", Integer),
    Column("claimed_by", _TEXT),
    Column("lease_until", _TIME),
    PrimaryKeyConstraint("connection", "id"),
    Index("ix_subscriber_due", "connection", "state", "due"),
    _one_of("state", "requested", "active", "error", "off"),
)

# Changes that somebody may have to be told of, written with the change; they go when it is known who.
told_change: Final = Table(
    "told_change",
    metadata,
    Column("cid", _KEY, primary_key=True),
    _needed("connection"),
    _needed("type"),
    _needed("id"),
    _needed("version", BigInteger),
    _needed("at", _TIME),
    sqlite_autoincrement=True,
)

# What a subscriber is told, numbered by subscriber, kept for a while so that it can be asked for again.
subscription_event: Final = Table(
    "subscription_event",
    metadata,
    _needed("connection"),
    _needed("subscription"),
    _needed("number", BigInteger),
    _needed("type"),
    _needed("id"),
    _needed("version", BigInteger),
    _needed("at", _TIME),
    PrimaryKeyConstraint("connection", "subscription", "number"),
    Index("ix_subscription_event_at", "connection", "at"),
)
