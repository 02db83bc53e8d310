"""The tables of who may see and do what, and of who did."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from fhirplan.store.tables.columns import KEY, TEXT, TIME, metadata, needed, one_of

audit: Final = Table(
    "audit",
    metadata,
    Column("aid", KEY, primary_key=True),
    needed("at", TIME),
    needed("connection"),
    needed("actor"),
    needed("action"),
    Column("type", TEXT),
    Column("id", TEXT),
    Column("version", BigInteger),
    needed("request_id"),
    needed("outcome"),
    # Whose patient's record it was, as an id, "" where none is known; where the caller was; what was asked.
    needed("patient", server_default=""),
    needed("address", server_default=""),
    needed("kind", server_default=""),
    needed("query", server_default=""),
    # By which client and by which grant of ours, "" where there is none.
    needed("client", server_default=""),
    needed("grant_id", server_default=""),
    one_of("action", "C", "R", "U", "D", "E"),
    Index("ix_audit_patient", "connection", "patient", "aid"),
    Index("ix_audit_at", "connection", "at"),
)

emergency: Final = Table(
    "emergency",
    metadata,
    Column("eid", KEY, primary_key=True),
    needed("connection"),
    needed("who"),
    needed("patient"),
    needed("reason"),
    needed("at", TIME),
    needed("until", TIME),
    Index("ix_emergency_who", "connection", "who", "until"),
    sqlite_autoincrement=True,
)

# A program that may ask for access: ``kind`` is how it proves who it is; lists are texts with spaces between.
client: Final = Table(
    "client",
    metadata,
    Column("client_id", TEXT, primary_key=True),
    needed("connection"),
    needed("name"),
    needed("kind"),
    # SHA-256 of a secret of 256 random bits, which therefore needs no salt; "" where there is none.
    needed("secret_digest"),
    needed("jwks"),
    needed("jwks_url"),
    needed("scopes"),
    needed("redirect_uris"),
    needed("launch_uris"),
    needed("created", TIME),
    Column("disabled", TIME),
    one_of("kind", "public", "secret", "key"),
)

# What one person, or nobody but a client, has let a client do; every token names its grant.
access_grant: Final = Table(
    "access_grant",
    metadata,
    Column("gid", TEXT, primary_key=True),
    needed("connection"),
    needed("client_id"),
    needed("subject"),
    needed("fhir_user"),
    needed("scope"),
    needed("patient"),
    needed("encounter"),
    needed("created", TIME),
    needed("expires", TIME),
    Column("revoked", TIME),
    Index("ix_access_grant_client", "client_id", "revoked"),
    Index("ix_access_grant_expires", "expires"),
)

# A secret that was handed out to be brought back once: only its digest is here, and what it stands for is sealed.
ticket: Final = Table(
    "ticket",
    metadata,
    needed("kind"),
    needed("digest"),
    needed("gid"),
    needed("body", LargeBinary),
    needed("expires", TIME),
    Column("used", TIME),
    PrimaryKeyConstraint("kind", "digest"),
    Index("ix_ticket_expires", "expires"),
)

# Assertions that were used, each until it ends by itself, so that none is used twice.
seen_assertion: Final = Table(
    "seen_assertion",
    metadata,
    needed("issuer"),
    needed("jti"),
    needed("expires", TIME),
    PrimaryKeyConstraint("issuer", "jti"),
    Index("ix_seen_assertion_expires", "expires"),
)

# One opening of our pages from a chart; ``body`` holds the EHR's tokens and context, sealed.
launch_session: Final = Table(
    "launch_session",
    metadata,
    Column("sid", TEXT, primary_key=True),
    needed("digest"),
    needed("connection"),
    needed("subject"),
    needed("fhir_user"),
    needed("patient"),
    needed("encounter"),
    needed("body", LargeBinary),
    needed("renew_at", TIME),
    needed("created", TIME),
    needed("expires", TIME),
    # When its person last asked for something, to the minute.
    needed("used", TIME, server_default="0"),
    Index("ix_launch_session_expires", "expires"),
    Index("ix_launch_session_subject", "connection", "subject"),
)
