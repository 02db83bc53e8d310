"""Keeps what EHRs give notice of, what they offer, and what the passes of each connection did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "notice",
        *_text("connection", "type", "ehr_id"),
        *_numbers("at"),
        sa.PrimaryKeyConstraint("connection", "type", "ehr_id", name="pk_notice"),
    )
    op.create_table(
        "notice_course",
        *_text("connection", "subscription"),
        *_numbers("event", "updated"),
        sa.PrimaryKeyConstraint("connection", "subscription", name="pk_notice_course"),
    )
    op.create_table(
        "offer",
        *_text("connection", "offered", "drift"),
        *_numbers("probed"),
        sa.PrimaryKeyConstraint("connection", name="pk_offer"),
    )
    op.create_table(
        "activity",
        *_text("connection"),
        *_numbers("calls", "errors", "pulled", "pushed"),
        sa.PrimaryKeyConstraint("connection", name="pk_activity"),
    )


def downgrade() -> None:
    for name in ("activity", "offer", "notice_course", "notice"):
        op.drop_table(name)
