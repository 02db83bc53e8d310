"""Lets accesses be found by patient and by time, and says from where they came and what was asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_COLUMNS = ("patient", "address", "kind", "query")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("audit", sa.Column(name, _TEXT, nullable=False, server_default=""))
    op.create_index("ix_audit_patient", "audit", ["connection", "patient", "aid"])
    op.create_index("ix_audit_at", "audit", ["connection", "at"])


def downgrade() -> None:
    op.drop_index("ix_audit_at", "audit")
    op.drop_index("ix_audit_patient", "audit")
    with op.batch_alter_table("audit") as batch:
        for name in reversed(_COLUMNS):
            batch.drop_column(name)
