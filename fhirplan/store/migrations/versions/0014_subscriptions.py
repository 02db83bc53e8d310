"""Keeps who subscribed to what, the changes to be told, and what each was told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def _numbers(kind: sa.Integer, *names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "subscriber",
        *_texts("connection", "id", "type", "topic", "filters", "endpoint"),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        *_texts("media", "content"),
        *_numbers(sa.Integer(), "heartbeat", "timeout", "most"),
        *_numbers(sa.BigInteger(), "ends"),
        *_texts("owner", "state"),
        *_numbers(sa.BigInteger(), "events", "sent", "due", "told"),
        *_numbers(sa.Integer(), "attempts"),
        sa.Column("claimed_by", _TEXT),
        sa.Column("lease_until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("connection", "id", name="pk_subscriber"),
        sa.CheckConstraint("state IN ('requested', 'active', 'error', 'off')", name="state"),
    )
    op.create_index("ix_subscriber_due", "subscriber", ["connection", "state", "due"])
    op.create_table(
        "told_change",
        sa.Column("cid", _KEY, nullable=False),
        *_texts("connection", "type", "id"),
        *_numbers(sa.BigInteger(), "version", "at"),
        sa.PrimaryKeyConstraint("cid", name="pk_told_change"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscription_event",
        *_texts("connection", "subscription"),
        *_numbers(sa.BigInteger(), "number"),
        *_texts("type", "id"),
        *_numbers(sa.BigInteger(), "version", "at"),
        sa.PrimaryKeyConstraint("connection", "subscription", "number", name="pk_subscription_event"),
    )
    op.create_index("ix_subscription_event_at", "subscription_event", ["connection", "at"])


def downgrade() -> None:
    for name in ("subscription_event", "told_change", "subscriber"):
        op.drop_table(name)
