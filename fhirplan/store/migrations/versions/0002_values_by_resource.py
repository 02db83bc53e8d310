"""Lets a resource be asked for its tokens, references and uris, for sorting, chains and :missing."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("index_token", "index_reference", "index_uri")


def upgrade() -> None:
    for table in _TABLES:
        op.create_index(f"ix_{table}_rid", table, ["rid", "pid"])


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_index(f"ix_{table}_rid", table)
