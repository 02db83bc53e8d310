"""Brings a patient's coordination state up to date: reads, computes, and writes what differs, in that order.

The computing is done on a view of the database that holds up no writer. What was computed is written only if nothing of
the patient has changed meanwhile; else it is done again, at last with writers waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from fhirplan.errors import VersionMismatch
from fhirplan.fhir.codec import Resource
from fhirplan.projection.derive import AUTHOR, Derived, derive
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.coordination import projection
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.coordination.ruled import Rules
from fhirplan.store.engine import Database, Transaction
from fhirplan.store.sync import conflicts
from fhirplan.telemetry import log

_ROUNDS: Final = 3
_AT_ONCE: Final = 200
_EHR: Final = "ehr"
_log = log("projection")


@dataclass(frozen=True, slots=True)
class Projecting:
    """What a projection of one connection works with.

    ``clock`` gives milliseconds since 1970. ``push`` says whether the connection has an EHR that is to be told,
    ``base`` is the url of our FHIR endpoint.
    """

    database: Database
    connection: str
    rules: Rules
    clock: Callable[[], int]
    push: bool
    base: str = ""


def project_due(to: Projecting, *, most: int = _AT_ONCE) -> int:
    """Brings the patients up to date that changed or whose time has come; gives how many.

    One that cannot be computed is noted in the log and tried again when it changes or by the next day.
    """
    now = to.clock()
    with to.database.read() as tx:
        found = dict.fromkeys(projection.marked(tx, to.connection, most))
        found.update(dict.fromkeys(projection.due(tx, to.connection, now, most)))
    for patient in found:
        _guarded(to, patient)
    return len(found)


def waiting(to: Projecting) -> bool:
    """Whether a projection would find something to do."""
    with to.database.read() as tx:
        return projection.waiting(tx, to.connection, to.clock())


def _guarded(to: Projecting, patient: str) -> None:
    try:
        project(to, patient)
    except VersionMismatch:
        # Somebody else wrote the same at the same moment; the marks are there still.
        return
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError) as error:
        # A record that is not shaped as FHIR must not keep the others from being computed.
        _log.error("not projected", connection=to.connection, patient=patient, error=type(error).__name__)
        with to.database.write() as tx:
            projection.seen(tx, to.connection, patient)
            projection.postpone(tx, to.connection, patient, to.clock() + 86_400_000)


def project(to: Projecting, patient: str) -> int:
    """Brings one patient (id) up to date; gives how many Lists and Flags were written.

    Doing it again changes nothing. Raises VersionMismatch when others change the same all the time.
    """
    for left in reversed(range(_ROUNDS)):
        with to.database.read() as tx:
            edition = projection.edition(tx, to.connection, patient)
            made = _derived(to, tx, patient) if left else None
        with to.database.write() as tx:
            tx.alone(f"project {to.connection} {patient}")
            if made is None:
                made = _derived(to, tx, patient)
            elif projection.edition(tx, to.connection, patient) != edition:
                continue
            return _write(to, tx, patient, made)
    raise AssertionError("the last round always writes")


def _derived(to: Projecting, tx: Transaction, patient: str) -> Derived:
    record = StoredRecord(tx, to.connection, to.rules.behaviors)
    torn = [f"{item.type}/{item.id}" for item in conflicts.listed(tx, to.connection)]

    def written(ref: str) -> Resource | None:
        """What was derived last, where the EHR has stored it in its own way since."""
        type_, _, id_ = ref.partition("/")
        theirs = versions.last_by(tx, to.connection, type_, id_, _EHR)
        now = versions.current(tx, to.connection, type_, id_)
        if theirs is None or now is None or theirs.version != now.version:
            return None
        found = versions.last_by(tx, to.connection, type_, id_, AUTHOR)
        return found.resource() if found is not None else None

    return derive(record, patient, to.clock(), to.rules, torn, written)


def _write(to: Projecting, tx: Transaction, patient: str, made: Derived) -> int:
    now = to.clock()
    projection.seen(tx, to.connection, patient)
    origin = Origin(actor=AUTHOR, request_id="", source="api", push=to.push, marks=False)
    changes: Iterable[Change] = made.changes
    commit(tx, to.connection, list(changes), now=now, origin=origin, base=to.base)
    projection.put(tx, to.connection, patient, made.rows, now)
    return len(made.changes)
