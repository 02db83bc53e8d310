"""Counts each plan's open work from an index alone, without reading the rows behind it."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
_COLUMNS = ["connection", "plan", "planned", "blocked", "unassigned", "grave", "due"]


def upgrade() -> None:
    op.create_index("ix_caseload_work_state", "caseload_work", _COLUMNS)


def downgrade() -> None:
    op.drop_index("ix_caseload_work_state", "caseload_work")
