"""Keeps what clinicians did with the cards of CDS Hooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    names = ("connection", "issuer", "card", "service", "outcome", "suggestions", "reason")
    op.create_table(
        "cds_feedback",
        *(sa.Column(name, _TEXT, nullable=False) for name in names),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "issuer", "card", name="pk_cds_feedback"),
        sa.CheckConstraint("outcome IN ('accepted', 'overridden')", name=op.f("ck_cds_feedback_outcome")),
    )


def downgrade() -> None:
    op.drop_table("cds_feedback")
