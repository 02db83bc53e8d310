"""PostgreSQL: a pool of connections, how each is set up, and what its refusals mean."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from fhirplan.errors import Misconfigured
from fhirplan.store.tables import metadata

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

# Seconds that a transaction waits for a connection when all are in use.
WAIT: Final = 30.0
# Seconds between two looks at who is still at work.
_PAUSE: Final = 0.02
_LOOKED: Final = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'setting'::regclass "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"
)
# Shapes of statements that a connection keeps planned.
_PREPARED: Final = 1000
# A statement's driving index is chosen by us, and says nothing that statistics, which a new or just filled table does
# not have, could improve: without them PostgreSQL would join or sort whole tables. One plan serves all values.
_PLANS: Final = (
    "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET plan_cache_mode = force_generic_plan"
)


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


def pool(url: str, size: int) -> ConnectionPool[Any]:
    """A pool of at most ``size`` connections; what is not used for some minutes is closed."""
    from psycopg_pool import ConnectionPool

    made: ConnectionPool[Any] = ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=WAIT,
        open=False,
        configure=_configure,
        kwargs={"autocommit": True, "prepare_threshold": 1},
    )
    made.open()
    return made


def begun(connections: ConnectionPool[Any], begin: str) -> Any:
    """A connection of the pool on which a transaction has begun; connections that the server has closed are replaced.

    Raises Misconfigured when none is to be had in time.
    """
    import psycopg
    from psycopg_pool import PoolTimeout

    for _ in range(connections.max_size + 1):
        try:
            made = connections.getconn()
        except PoolTimeout:
            break
        try:
            made.execute(begin)
        except psycopg.OperationalError:
            connections.putconn(made)
        else:
            return made
    raise Misconfigured(
        f"database_url: no connection to PostgreSQL within {WAIT:.0f} s. The server does not answer, or all "
        f"{connections.max_size} connections of this process are in use; database_connections allows more."
    )


def _configure(made: Connection[Any]) -> None:
    made.prepared_max = _PREPARED
    made.execute(_PLANS)


def analyze(url: str) -> None:
    """Makes the statistics of all tables; raises what ``connect`` and psycopg do."""
    with connect(url) as made:
        made.execute("ANALYZE " + ", ".join(metadata.tables))


def settle(url: str) -> None:
    """Waits until each transaction has ended that has looked at the table ``setting`` so far, as every writer does.

    A lock on a table is held until its transaction ends, so that the locks tell which these are.
    """
    with connect(url) as made:
        running = {row[0] for row in made.execute(_LOOKED).fetchall()}
        while running:
            time.sleep(_PAUSE)
            running &= {row[0] for row in made.execute(_LOOKED).fetchall()}


def is_collision(error: BaseException) -> bool:
    """Whether the server refused because another transaction did the same first."""
    import psycopg

    kinds = (psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
    return isinstance(error, kinds)


def errors() -> tuple[type[Exception], ...]:
    """What psycopg raises; nothing where it is not installed, which ``connect`` says."""
    try:
        import psycopg
    except ImportError:
        return ()
    return (psycopg.Error,)
