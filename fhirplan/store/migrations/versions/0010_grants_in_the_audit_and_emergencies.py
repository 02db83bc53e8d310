"""Keeps with each access which client came with which grant, and for whom emergencies were declared."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("client", "grant_id"):
        op.add_column("audit", sa.Column(name, _TEXT, nullable=False, server_default=""))
    op.create_table(
        "emergency",
        sa.Column("eid", _KEY, nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("connection", "who", "patient", "reason")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("at", "until")),
        sa.PrimaryKeyConstraint("eid", name="pk_emergency"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_emergency_who", "emergency", ["connection", "who", "until"])


def downgrade() -> None:
    op.drop_table("emergency")
    with op.batch_alter_table("audit") as batch:
        for name in ("grant_id", "client"):
            batch.drop_column(name)
