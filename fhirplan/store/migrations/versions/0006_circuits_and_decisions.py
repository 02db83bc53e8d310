"""Lets workers share whether an EHR may be called, and keeps who decided a conflict, how, and what came of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_DECISION = (("resolved_by", _TEXT), ("decision", _TEXT), ("decided_version", sa.BigInteger()))


def upgrade() -> None:
    op.create_table(
        "circuit",
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("pause", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name="pk_circuit"),
    )
    for name, kind in _DECISION:
        op.add_column("conflict", sa.Column(name, kind))


def downgrade() -> None:
    with op.batch_alter_table("conflict") as batch:
        for name, _ in reversed(_DECISION):
            batch.drop_column(name)
    op.drop_table("circuit")
