"""Keeps who did what to which resource: changes in their transaction, accesses in batches soon after."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import bindparam, select

from fhirplan.store import tables
from fhirplan.store.engine import Database, Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.telemetry import log

# AuditEvent.action of R4: create, read, update, delete, execute (searches and operations).
Action = Literal["C", "R", "U", "D", "E"]

_log: Final = log("store")
INSERT: Final = insertion(tables.audit, without=("aid",))


def entry(
    at: int,
    connection: str,
    actor: str,
    action: Action,
    type: str | None,
    id: str | None,
    version: int | None,
    request_id: str,
    outcome: str = "success",
    *,
    patient: str = "",
    address: str = "",
    kind: str = "",
    query: str = "",
    client: str = "",
    grant: str = "",
) -> dict[str, object]:
    """The values of one audit row; ``at`` in milliseconds, ids and codes only but for the ``query`` that was asked.

    ``outcome`` is ``success`` or the code of the issue it was refused with, ``kind`` the interaction, ``address`` where
    the caller was, ``patient`` the id of the patient concerned, ``client`` and ``grant`` what the caller's token was
    issued to and for; "" where there is none or none is known.
    """
    return {
        "at": at,
        "connection": connection,
        "actor": actor,
        "action": action,
        "type": type,
        "id": id,
        "version": version,
        "request_id": request_id,
        "outcome": outcome,
        "patient": patient,
        "address": address,
        "kind": kind,
        "query": query,
        "client": client,
        "grant_id": grant,
    }


def record(tx: Transaction, *entries: dict[str, object]) -> None:
    """Keeps these entries; they are undone with the transaction."""
    tx.many(INSERT, entries)


@dataclass(frozen=True, slots=True)
class Access:
    """One row of the audit, as ``entry`` describes it; ``aid`` grows with each."""

    aid: int
    at: int
    connection: str
    actor: str
    action: Action
    type: str | None
    id: str | None
    version: int | None
    request_id: str
    outcome: str
    patient: str
    address: str
    kind: str
    query: str
    client: str
    grant: str


_a: Final = tables.audit.c
_ALL: Final = select(*tables.audit.c).where(_a.connection == bindparam("connection"))
_ONE: Final = statement(_ALL.where(_a.aid == bindparam("aid")))
_PAGE: Final = _ALL.where(_a.aid < bindparam("before"), _a.at >= bindparam("low"), _a.at < bindparam("high"))
_NEWEST: Final = statement(_PAGE.order_by(_a.aid.desc()).limit(bindparam("count")))
_OF_PATIENT: Final = statement(
    _PAGE.where(_a.patient == bindparam("patient")).order_by(_a.aid.desc()).limit(bindparam("count"))
)
_EDGE: Final = 2**62


def one(tx: Transaction, connection: str, aid: int) -> Access | None:
    """The row of that number, or None."""
    row = tx.one(_ONE, connection=connection, aid=aid)
    return Access(*row) if row is not None else None


def found(
    tx: Transaction,
    connection: str,
    *,
    patient: str = "",
    low: int = -_EDGE,
    high: int = _EDGE,
    before: int,
    count: int,
) -> list[Access]:
    """At most ``count`` rows, newest first: of a patient, or of all; in a span of time (ms); before row ``before``."""
    asked: dict[str, Any] = {"connection": connection, "low": low, "high": high, "before": before, "count": count}
    rows = tx.all(_OF_PATIENT, **asked, patient=patient) if patient else tx.all(_NEWEST, **asked)
    return [Access(*row) for row in rows]


_WHOSE: Final = statement(
    select(tables.index_reference.c.target_id)
    .select_from(
        tables.resource.join(tables.index_reference, tables.index_reference.c.rid == tables.resource.c.rid).join(
            tables.search_param, tables.search_param.c.pid == tables.index_reference.c.pid
        )
    )
    .where(
        tables.resource.c.connection == bindparam("connection"),
        tables.resource.c.type == bindparam("type"),
        tables.resource.c.id == bindparam("id"),
        tables.search_param.c.code == "patient",
        tables.index_reference.c.target_type == "Patient",
    )
    .limit(1)
)
DELAY: Final = 0.5
"""Seconds until an access that was noted is kept."""
_MOST: Final = 100_000


class Accesses:
    """Keeps accesses that change nothing, many at once and off the request's path, so that they cost it little.

    What a process noted in its last half second is lost when it is killed; docs/decisions/0010 says why that is borne.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # What may be over when it is tried again.
        self._kinds = database.failures
        self._waiting: deque[dict[str, object]] = deque()
        self._due = threading.Event()
        self._pid = 0

    def note(self, values: dict[str, object]) -> None:
        """Takes an ``entry`` to be kept within ``DELAY``; its patient is looked up then, where it has none."""
        self._waiting.append(values)
        if self._pid != os.getpid():
            self._start()
        self._due.set()

    def _start(self) -> None:
        # What a parent process noted is the parent's to keep.
        last = self._waiting[-1]
        self._waiting = deque((last,))
        self._due = threading.Event()
        self._pid = os.getpid()
        atexit.register(self.keep)
        threading.Thread(target=self._run, name="audit", daemon=True).start()

    def _run(self) -> None:
        while self._due.wait():
            time.sleep(DELAY)
            self._due.clear()
            self.keep()

    def keep(self) -> None:
        """Keeps all that was noted so far; what the database does not take now waits for the next time."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        if not taken:
            return
        try:
            with self._database.write() as tx:
                tx.many(INSERT, self._known(tx, taken))
        except self._kinds as error:
            _log.warning("accesses wait to be kept", count=len(taken), error=type(error).__qualname__)
            if len(self._waiting) < _MOST:
                self._waiting.extendleft(reversed(taken))

    def _known(self, tx: Transaction, taken: list[dict[str, object]]) -> list[dict[str, object]]:
        whose: dict[tuple[object, object, object], str] = {}
        for values in taken:
            name = values["connection"], values["type"], values["id"]
            if values["patient"] or not values["id"]:
                continue
            if name not in whose:
                row = tx.one(_WHOSE, connection=name[0], type=name[1], id=name[2])
                whose[name] = str(row[0]) if row is not None else ""
            values["patient"] = whose[name]
        return taken
