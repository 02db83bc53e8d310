"""Whether an EHR may be called now: one row a connection that failed lately, shared by all workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.tables import circuit


@dataclass(frozen=True, slots=True)
class Circuit:
    """An EHR that failed lately. Times are in milliseconds since 1970, ``pause`` in milliseconds.

    ``failures`` counts the calls in a row that failed, ``until`` is when it may be called again (0: it may be),
    ``asked`` says that the EHR itself asked for the pause, ``since`` when the first of the failures was.
    """

    connection: str
    failures: int = 0
    until: int = 0
    pause: int = 0
    asked: bool = False
    reason: str = ""
    since: int = 0


_COLUMNS: Final = tuple(circuit.c)
_ONE: Final = statement(select(*_COLUMNS).where(circuit.c.connection == bindparam("connection")))
_ALL: Final = statement(select(*_COLUMNS).order_by(circuit.c.connection))
_INSERT: Final = statement(insert(circuit).values({column.name: bindparam(column.name) for column in circuit.c}))
_UPDATE: Final = statement(
    update(circuit)
    .where(circuit.c.connection == bindparam("connection_"))
    .values({column.name: bindparam(column.name) for column in circuit.c if column.name != "connection"})
)
_DELETE: Final = statement(delete(circuit).where(circuit.c.connection == bindparam("connection")))
_PROBE: Final = statement(
    update(circuit)
    .where(circuit.c.connection == bindparam("connection_"), circuit.c.until == bindparam("seen"))
    .values(until=bindparam("until"))
)


def of(tx: Transaction, connection: str) -> Circuit | None:
    """The circuit of a connection, None when nothing has failed since the last success."""
    row = tx.one(_ONE, connection=connection)
    return _circuit(row) if row else None


def listed(tx: Transaction) -> list[Circuit]:
    """The circuits of all connections whose EHR failed lately."""
    return [_circuit(row) for row in tx.all(_ALL)]


def put(tx: Transaction, item: Circuit) -> None:
    """Writes the circuit of a connection. Call ``tx.alone`` with its name before reading what this is made from."""
    values = {
        "failures": item.failures,
        "until": item.until,
        "pause": item.pause,
        "asked": int(item.asked),
        "reason": item.reason,
        "since": item.since,
    }
    if not tx.run(_UPDATE, connection_=item.connection, **values):
        tx.run(_INSERT, connection=item.connection, **values)


def clear(tx: Transaction, connection: str) -> None:
    """Forgets what failed, since a call has succeeded."""
    tx.run(_DELETE, connection=connection)


def probe(tx: Transaction, seen: Circuit, until: int) -> bool:
    """Takes the one attempt after a pause; False when another worker took it. Nobody else calls before ``until``."""
    return tx.run(_PROBE, connection_=seen.connection, seen=seen.until, until=until) == 1


def _circuit(row: Row) -> Circuit:
    connection, failures, until, pause, asked, reason, since = row
    return Circuit(connection, int(failures), int(until), int(pause), bool(asked), reason, int(since))
