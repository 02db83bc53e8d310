"""What validation found in versions that were imported; an import is never refused for its content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, insert, select

from fhirplan.errors import Issue
from fhirplan.fhir import codec, outcome
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import finding

_INSERT: Final = statement(insert(finding).values({column.name: bindparam(column.name) for column in finding.c}))
_GET: Final = statement(
    select(finding.c.outcome).where(finding.c.rid == bindparam("rid"), finding.c.version == bindparam("version"))
)


def put(tx: Transaction, rid: int, version: int, found: Iterable[Issue]) -> None:
    """Keeps what was found in a version that was just written; nothing for nothing."""
    issues = tuple(found)
    if issues:
        text = codec.dumps(outcome.outcome(issues)).decode()
        tx.run(_INSERT, rid=rid, version=version, outcome=text)


def of(tx: Transaction, rid: int, version: int) -> tuple[Issue, ...]:
    """What was found in a version."""
    row = tx.one(_GET, rid=rid, version=version)
    return outcome.issues(codec.loads(row[0])) if row else ()
