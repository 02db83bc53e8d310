"""PostgreSQL: how a connection is opened."""

from __future__ import annotations

from typing import Any

from fhirplan.errors import Misconfigured


def connect(url: str) -> Any:
    """A psycopg connection that leaves BEGIN and COMMIT to us.

    Raises Misconfigured when psycopg is not installed or the server does not answer.
    """
    try:
        import psycopg
    except ImportError:
        raise Misconfigured('PostgreSQL needs psycopg. Install it with: pip install "fhirplan[postgres]"') from None
    try:
        return psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError:
        # The driver's text can repeat the url, which can hold a password.
        raise Misconfigured("database_url: the PostgreSQL server cannot be reached or refuses the login.") from None


def is_collision(error: BaseException) -> bool:
    """Whether the server refused because another transaction did the same first."""
    import psycopg

    kinds = (psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
    return isinstance(error, kinds)
