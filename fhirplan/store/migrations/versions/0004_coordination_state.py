"""Marks patients whose coordination state is to be computed, and holds that state as rows for lists."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_TIME = sa.BigInteger()


def _needed(names: str, kind: Any = _TEXT) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names.split()]


def upgrade() -> None:
    op.create_table(
        "patient_mark",
        sa.Column("mid", _KEY, primary_key=True),
        *_needed("connection patient"),
        *_needed("at", _TIME),
    )
    op.create_index("ix_patient_mark_patient", "patient_mark", ["connection", "patient", "mid"])
    op.create_table(
        "caseload",
        *_needed("connection plan patient name sought birth title status lead acuity stage risk programs settings"),
        *_needed("referrals changes goals_achieved", sa.Integer()),
        *_needed("at_risk", sa.SmallInteger()),
        *(sa.Column(name, _TIME) for name in ("off_from", "high_off_from", "last_contact", "contact_due")),
        *_needed("projected next", _TIME),
        sa.PrimaryKeyConstraint("connection", "plan", name="pk_caseload"),
    )
    op.create_index("ix_caseload_patient", "caseload", ["connection", "patient"])
    op.create_index("ix_caseload_next", "caseload", ["connection", "next"])
    op.create_table(
        "caseload_work",
        *_needed("connection plan task title type status priority owner"),
        *_needed("planned blocked unassigned grave", sa.SmallInteger()),
        sa.Column("due", _TIME),
        sa.PrimaryKeyConstraint("connection", "plan", "task", name="pk_caseload_work"),
    )
    op.create_index("ix_caseload_work_owner", "caseload_work", ["connection", "owner", "due"])
    # What is stored already is computed once.
    op.execute(
        sa.text(
            "INSERT INTO patient_mark (connection, patient, at) "
            "SELECT connection, id, updated FROM resource WHERE type = 'Patient' AND deleted = 0"
        )
    )


def downgrade() -> None:
    op.drop_table("caseload_work")
    op.drop_table("caseload")
    op.drop_table("patient_mark")
