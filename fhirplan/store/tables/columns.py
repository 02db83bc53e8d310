"""What the tables are made of: the metadata they stand in, their kinds of columns, their checks."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, MetaData, Text
from sqlalchemy.dialects import postgresql

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a table its own row number only to INTEGER, and compares text by bytes, as pages and prefixes need it.
KEY: Final = BigInteger().with_variant(Integer, "sqlite")
TEXT: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
TIME: Final = BigInteger()


def needed(name: str, kind: Any = TEXT, **more: Any) -> Column[Any]:
    """A column that is never NULL."""
    return Column(name, kind, nullable=False, **more)


def one_of(column: str, *allowed: str) -> CheckConstraint:
    """That a column holds one of these words."""
    listed = ", ".join(f"'{item}'" for item in allowed)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
