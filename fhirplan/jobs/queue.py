"""Opens the queue in which passes wait for a worker: a file in the data folder, PostgreSQL, or Redis."""

from __future__ import annotations

from typing import Final

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.exceptions import ConfigurationError

from fhirplan.errors import Misconfigured
from fhirplan.jobs.passes import turn
from fhirplan.settings import Settings

NAME: Final = "fhirplan"
# Two machines that start at once may both make PostgreSQL's tables; whoever comes second finds them there.
_ATTEMPTS: Final = 3


def opened(settings: Settings) -> Huey:
    """The queue that the settings name. Raises Misconfigured when it cannot be reached or its driver is missing.

    Workers of all machines may share one on PostgreSQL or Redis; a file is shared by the workers of one machine.
    """
    if not settings.jobs_url:
        # Two workers that start at once must not both make the queue's tables.
        with turn(settings.data_dir / "jobs.lock", wait=True):
            return SqliteHuey(NAME, filename=str(settings.data_dir / "jobs.db"), results=False)
    try:
        return _on_redis(settings.jobs_url) if settings.jobs_url.startswith("redis") else _on_postgresql(settings)
    except ConfigurationError:
        raise Misconfigured(
            "jobs_url: its driver is not installed. Install fhirplan with the extra postgres or redis."
        ) from None


def _on_redis(url: str) -> Huey:
    queue = RedisHuey(NAME, url=url, results=False)
    from redis.exceptions import RedisError

    try:
        queue.pending_count()
    except RedisError as error:
        raise Misconfigured(f"jobs_url: Redis cannot be reached there ({type(error).__name__}).") from None
    return queue


def _on_postgresql(settings: Settings) -> Huey:
    from psycopg import Error

    failed: Error | None = None
    for _ in range(_ATTEMPTS):
        try:
            return PostgresHuey(NAME, dsn=settings.jobs_url, table_prefix=f"{NAME}_jobs", results=False)
        except Error as error:
            failed = error
    raise Misconfigured(f"jobs_url: PostgreSQL cannot be used there ({type(failed).__name__}).")
