"""The first schema: versions, search indexes, audit, and the state of the sync."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("aid", _KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("action", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=True),
        sa.Column("id", _TEXT, nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("request_id", _TEXT, nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.CheckConstraint("action IN ('C', 'R', 'U', 'D', 'E')", name=op.f("ck_audit_action")),
        sa.PrimaryKeyConstraint("aid", name="pk_audit"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("since", _TEXT, nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "type", name="pk_checkpoint"),
    )
    op.create_table(
        "coding_system",
        sa.Column("sid", _KEY, nullable=False),
        sa.Column("uri", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_coding_system"),
        sa.UniqueConstraint("uri", name="uq_coding_system_uri"),
    )
    op.create_table(
        "conflict",
        sa.Column("cid", _KEY, nullable=False),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=True),
        sa.Column("local", sa.LargeBinary(), nullable=True),
        sa.Column("remote", sa.LargeBinary(), nullable=True),
        sa.Column("ehr_version", _TEXT, nullable=False),
        sa.Column("paths", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("resolved", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'resolved')", name=op.f("ck_conflict_state")),
        sa.PrimaryKeyConstraint("cid", name="pk_conflict"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_conflict_resource", "conflict", ["connection", "type", "id", "state"])

    op.create_table(
        "finding",
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("rid", "version", name="pk_finding"),
    )
    op.create_table(
        "index_date",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.SmallInteger(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "rid", "low", "high", "period", name="pk_index_date"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_date_value", "index_date", ["pid", "low", "high", "rid"])

    op.create_table(
        "index_number",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "rid", "low", "high", name="pk_index_number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_number_value", "index_number", ["pid", "low", "high", "rid"])

    op.create_table(
        "index_quantity",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("sid", sa.BigInteger(), nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("unit", _TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "rid", "low", "high", "sid", "code", "unit", name="pk_index_quantity"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_quantity_value", "index_quantity", ["pid", "low", "high", "rid"])

    op.create_table(
        "index_reference",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("target_type", _TEXT, nullable=False),
        sa.Column("target_id", _TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "target_id", "rid", "target_type", name="pk_index_reference"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "index_string",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "rid", "value", name="pk_index_string"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_string_value", "index_string", ["pid", "value", "rid"])

    op.create_table(
        "index_token",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("sid", sa.BigInteger(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "code", "rid", "sid", name="pk_index_token"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "index_uri",
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid", "value", "rid", name="pk_index_uri"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "link",
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("ehr_id", _TEXT, nullable=False),
        sa.Column("ehr_version", _TEXT, nullable=False),
        sa.Column("ehr_updated", _TEXT, nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=True),
        sa.Column("local_version", sa.BigInteger(), nullable=False),
        sa.Column("ehr_gone", sa.SmallInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "type", "id", name="pk_link"),
        sa.UniqueConstraint("connection", "type", "ehr_id", name="uq_link_connection_type_ehr_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("oid", _KEY, nullable=False),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("method", _TEXT, nullable=False),
        sa.Column("lane", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("claimed_by", _TEXT, nullable=True),
        sa.Column("outcome", _TEXT, nullable=True),
        sa.CheckConstraint("method IN ('create', 'update', 'delete')", name=op.f("ck_outbox_method")),
        sa.CheckConstraint("state IN ('waiting', 'claimed', 'done', 'parked', 'held')", name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("oid", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_resource", "outbox", ["connection", "type", "id", "oid"])
    op.create_index("ix_outbox_state", "outbox", ["connection", "state", "due", "oid"])

    op.create_table(
        "receipt",
        sa.Column("seq", _KEY, nullable=False),
        sa.Column("oid", sa.BigInteger(), nullable=True),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("route", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("ehr_id", _TEXT, nullable=True),
        sa.Column("ehr_version", _TEXT, nullable=True),
        sa.Column("outcome", _TEXT, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('sent', 'waiting', 'parked', 'conflict')", name=op.f("ck_receipt_state")),
        sa.PrimaryKeyConstraint("seq", name="pk_receipt"),
    )
    op.create_index("ix_receipt_resource", "receipt", ["connection", "type", "id", "version"])

    op.create_table(
        "resource",
        sa.Column("rid", _KEY, nullable=False),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("vid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rid", name="pk_resource"),
        sa.UniqueConstraint("connection", "type", "id", name="uq_resource_connection_type_id"),
    )
    op.create_index("ix_resource_order", "resource", ["connection", "type", "rid"])
    op.create_index("ix_resource_updated", "resource", ["connection", "type", "updated", "rid"])

    op.create_table(
        "search_param",
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("connection", _TEXT, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("definition", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("built", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'building', 'retired')", name=op.f("ck_search_param_state")),
        sa.PrimaryKeyConstraint("pid", name="pk_search_param"),
    )
    op.create_index("ix_search_param_name", "search_param", ["connection", "type", "code"])

    op.create_table(
        "setting",
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "version",
        sa.Column("vid", _KEY, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("method", _TEXT, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("request_id", _TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("method IN ('create', 'update', 'delete')", name=op.f("ck_version_method")),
        sa.PrimaryKeyConstraint("vid", name="pk_version"),
        sa.UniqueConstraint("rid", "version", name="uq_version_rid_version"),
    )


def downgrade() -> None:
    for table in (
        "version",
        "setting",
        "search_param",
        "resource",
        "receipt",
        "outbox",
        "link",
        "index_uri",
        "index_token",
        "index_string",
        "index_reference",
        "index_quantity",
        "index_number",
        "index_date",
        "finding",
        "conflict",
        "coding_system",
        "checkpoint",
        "audit",
    ):
        op.drop_table(table)
