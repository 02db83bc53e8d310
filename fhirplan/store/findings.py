"""What validation found in versions that were imported; an import is never refused for its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import bindparam, select

from fhirplan.errors import Issue
from fhirplan.fhir import codec, outcome
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.statements import insertion
from fhirplan.store.tables import finding

_INSERT: Final = insertion(finding)
_GET: Final = statement(
    select(finding.c.outcome).where(finding.c.rid == bindparam("rid"), finding.c.version == bindparam("version"))
)


def put(tx: Transaction, rid: int, version: int, found: Iterable[Issue]) -> None:
    """Keeps what was found in a version that was just written; nothing for nothing."""
    put_all(tx, ((rid, version, found),))


def put_all(tx: Transaction, found: Iterable[tuple[int, int, Iterable[Issue]]]) -> None:
    """As ``put``, for several versions: (rid, version, what was found in it)."""
    tx.many(_INSERT, [row for rid, version, issues in found for row in _row(rid, version, tuple(issues))])


def of(tx: Transaction, rid: int, version: int) -> tuple[Issue, ...]:
    """What was found in a version."""
    row = tx.one(_GET, rid=rid, version=version)
    return outcome.issues(codec.loads(row[0])) if row else ()


def _row(rid: int, version: int, issues: tuple[Issue, ...]) -> Iterator[dict[str, Any]]:
    if issues:
        yield {"rid": rid, "version": version, "outcome": codec.dumps(outcome.outcome(issues)).decode()}
