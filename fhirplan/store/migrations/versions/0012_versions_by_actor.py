"""Finds what somebody wrote without going through all versions."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_version_actor", "version", ["actor", "vid"])


def downgrade() -> None:
    op.drop_index("ix_version_actor", "version")
