"""Keeps what a viewer of the chart began to write, and how far they have seen a patient's changes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _needed(name: str, kind: Any = _TEXT) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "draft",
        _needed("connection"),
        _needed("viewer"),
        _needed("patient"),
        _needed("form"),
        _needed("text"),
        _needed("updated", sa.BigInteger()),
        sa.PrimaryKeyConstraint("connection", "viewer", "patient", "form", name="pk_draft"),
    )
    op.create_index("ix_draft_updated", "draft", ["updated"])
    op.create_table(
        "look",
        _needed("connection"),
        _needed("viewer"),
        _needed("patient"),
        _needed("until", sa.BigInteger()),
        _needed("more"),
        _needed("at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("connection", "viewer", "patient", name="pk_look"),
    )


def downgrade() -> None:
    op.drop_table("look")
    op.drop_index("ix_draft_updated", "draft")
    op.drop_table("draft")
