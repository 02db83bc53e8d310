"""Finds the resources that have any code of a system without going through all of them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_index_token_system", "index_token", ["pid", "sid", "rid"])


def downgrade() -> None:
    op.drop_index("ix_index_token_system", "index_token")
