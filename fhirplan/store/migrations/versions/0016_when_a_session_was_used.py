"""Notes when the person of a session last used it, so that idle ones end and a person knows theirs again."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("launch_session", sa.Column("used", sa.BigInteger(), nullable=False, server_default="0"))
    # Those that are open now were not idle since they began, for all that is known.
    op.execute(sa.text("UPDATE launch_session SET used = :now").bindparams(now=int(time.time() * 1000)))
    op.create_index("ix_launch_session_subject", "launch_session", ["connection", "subject"])


def downgrade() -> None:
    op.drop_index("ix_launch_session_subject", "launch_session")
    with op.batch_alter_table("launch_session") as batch:
        batch.drop_column("used")
