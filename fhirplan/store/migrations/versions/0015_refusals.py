"""Keeps what the EHR refused to tell of a resource, or of a patient, so that it is asked again and holds up nothing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "refusal",
        *(sa.Column(name, _TEXT, nullable=False) for name in ("connection", "type", "about", "ehr_id")),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("said", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("connection", "type", "about", "ehr_id", name="pk_refusal"),
        sa.CheckConstraint("about IN ('resource', 'patient')", name="about"),
    )


def downgrade() -> None:
    op.drop_table("refusal")
