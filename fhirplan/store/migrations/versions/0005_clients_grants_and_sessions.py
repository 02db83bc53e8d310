"""Keeps registered clients, what they were granted, secrets to be redeemed once, and opened charts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_TIME = sa.BigInteger()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def _times(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, _TIME, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "client",
        *_texts("client_id", "connection", "name", "kind", "secret_digest", "jwks", "jwks_url", "scopes"),
        *_texts("redirect_uris", "launch_uris"),
        *_times("created"),
        sa.Column("disabled", _TIME),
        sa.PrimaryKeyConstraint("client_id", name="pk_client"),
        sa.CheckConstraint("kind IN ('public', 'secret', 'key')", name=op.f("ck_client_kind")),
    )
    op.create_table(
        "access_grant",
        *_texts("gid", "connection", "client_id", "subject", "fhir_user", "scope", "patient", "encounter"),
        *_times("created", "expires"),
        sa.Column("revoked", _TIME),
        sa.PrimaryKeyConstraint("gid", name="pk_access_grant"),
    )
    op.create_index("ix_access_grant_client", "access_grant", ["client_id", "revoked"])
    op.create_index("ix_access_grant_expires", "access_grant", ["expires"])
    op.create_table(
        "ticket",
        *_texts("kind", "digest", "gid"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        *_times("expires"),
        sa.Column("used", _TIME),
        sa.PrimaryKeyConstraint("kind", "digest", name="pk_ticket"),
    )
    op.create_index("ix_ticket_expires", "ticket", ["expires"])
    op.create_table(
        "seen_assertion",
        *_texts("issuer", "jti"),
        *_times("expires"),
        sa.PrimaryKeyConstraint("issuer", "jti", name="pk_seen_assertion"),
    )
    op.create_index("ix_seen_assertion_expires", "seen_assertion", ["expires"])
    op.create_table(
        "launch_session",
        *_texts("sid", "digest", "connection", "subject", "fhir_user", "patient", "encounter"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        *_times("renew_at", "created", "expires"),
        sa.PrimaryKeyConstraint("sid", name="pk_launch_session"),
    )
    op.create_index("ix_launch_session_expires", "launch_session", ["expires"])


def downgrade() -> None:
    for name in ("launch_session", "seen_assertion", "ticket", "access_grant", "client"):
        op.drop_table(name)
