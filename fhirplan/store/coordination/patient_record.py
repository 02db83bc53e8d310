"""Reads all that is stored of one patient, now or at a moment, and how far each resource has come to the EHR."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Select, bindparam, or_, select

from fhirplan.errors import Issue
from fhirplan.fhir import codec, outcome
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.sync.receipts import COLUMNS as RECEIPT_COLUMNS
from fhirplan.store.sync.receipts import Receipt
from fhirplan.store.sync.receipts import of_row as receipt_of
from fhirplan.store.tables import audit, conflict, finding, index_reference, link, outbox, receipt, search_param
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions
from fhirplan.store.versions import COLUMNS, Version, of_row

_CURRENT: Final = versions.c.vid == resources.c.vid
_OF_PATIENT: Final = statement(
    select(*COLUMNS)
    .select_from(
        search_param.join(index_reference, index_reference.c.pid == search_param.c.pid)
        .join(resources, resources.c.rid == index_reference.c.rid)
        .join(versions, _CURRENT)
    )
    .where(
        search_param.c.connection == bindparam("connection"),
        search_param.c.type == bindparam("type"),
        search_param.c.code == "patient",
        search_param.c.state == "active",
        index_reference.c.target_id == bindparam("patient"),
        index_reference.c.target_type == "Patient",
        resources.c.deleted == 0,
    )
    .order_by(index_reference.c.rid.desc())
    .limit(bindparam("count"))
)
_PATIENTS: Final = statement(
    select(*COLUMNS)
    .select_from(resources.join(versions, _CURRENT))
    .where(
        resources.c.connection == bindparam("connection"),
        resources.c.type == "Patient",
        resources.c.deleted == 0,
        resources.c.rid > bindparam("after"),
    )
    .order_by(resources.c.rid)
    .limit(bindparam("count"))
)
_NAMED: Final = (
    (resources.c.connection == bindparam("connection"))
    & (resources.c.type == bindparam("type"))
    & (resources.c.id == bindparam("id"))
)
_WROTE_ABOUT: Final = statement(
    select(audit.c.type, audit.c.id)
    .where(
        audit.c.connection == bindparam("connection"),
        audit.c.patient == bindparam("patient"),
        or_(*(audit.c.action == action for action in ("C", "U", "D"))),
        audit.c.type.is_not(None),
    )
    .distinct()
)
_THEN: Final = statement(
    select(*COLUMNS)
    .select_from(resources.join(versions, versions.c.rid == resources.c.rid))
    .where(_NAMED, versions.c.updated <= bindparam("moment"))
    .order_by(versions.c.version.desc())
    .limit(1)
)


def _joined(*columns: Any) -> Select[Any]:
    """A choice of columns over the live resources of a patient; what each is joined with is added by its user."""
    return select(*columns).where(
        search_param.c.connection == bindparam("connection"),
        search_param.c.code == "patient",
        search_param.c.state == "active",
        index_reference.c.target_id == bindparam("patient"),
        index_reference.c.target_type == "Patient",
        resources.c.deleted == 0,
    )


_THEIRS: Final = search_param.join(index_reference, index_reference.c.pid == search_param.c.pid).join(
    resources, resources.c.rid == index_reference.c.rid
)


def _same(table: Any) -> Any:
    return (
        (table.c.connection == resources.c.connection)
        & (table.c.type == resources.c.type)
        & (table.c.id == resources.c.id)
    )


_LINKS: Final = statement(
    _joined(resources.c.type, resources.c.id, link.c.ehr_gone, link.c.base.is_not(None)).select_from(
        _THEIRS.join(link, _same(link))
    )
)
_SENDING: Final = statement(
    _joined(resources.c.type, resources.c.id, outbox.c.state)
    .select_from(_THEIRS.join(outbox, _same(outbox)))
    .where(outbox.c.state != "done")
)
_CONFLICTS: Final = statement(
    _joined(resources.c.type, resources.c.id)
    .select_from(_THEIRS.join(conflict, _same(conflict)))
    .where(conflict.c.state == "open")
)
_FOUND: Final = statement(
    _joined(resources.c.type, resources.c.id, finding.c.outcome).select_from(
        _THEIRS.join(finding, (finding.c.rid == resources.c.rid) & (finding.c.version == resources.c.version))
    )
)

_RECEIPTS: Final = statement(
    _joined(*RECEIPT_COLUMNS)
    .select_from(_THEIRS.join(receipt, _same(receipt)))
    .order_by(receipt.c.seq.desc())
    .limit(bindparam("count"))
)


def of_patient(tx: Transaction, connection: str, patient: str, types: Iterable[str], *, count: int) -> list[Version]:
    """The current versions of the resources whose ``patient`` is this one, at most ``count`` newest of each type."""
    return [
        of_row(row)
        for type_ in types
        for row in tx.all(_OF_PATIENT, connection=connection, type=type_, patient=patient, count=count)
    ]


def at(tx: Transaction, connection: str, patient: str, types: Iterable[str], moment: int) -> list[Version]:
    """What was stored of a patient at a moment (ms since 1970), also what has been deleted since; no deletions."""
    wanted = frozenset(types)
    named = tx.all(_WROTE_ABOUT, connection=connection, patient=patient)
    found = (
        tx.one(_THEN, connection=connection, type=type_, id=id_, moment=moment)
        for type_, id_ in named
        if type_ in wanted
    )
    return [made for row in found if row is not None and not (made := of_row(row)).deleted]


def then(tx: Transaction, connection: str, type_: str, id_: str, moment: int) -> Version | None:
    """The version of one resource that was current at a moment (ms since 1970); None where there was none."""
    row = tx.one(_THEN, connection=connection, type=type_, id=id_, moment=moment)
    return of_row(row) if row is not None else None


def patients(tx: Transaction, connection: str, *, after: int = 0, count: int) -> list[Version]:
    """The current versions of the patients, oldest first, beginning behind the resource number ``after``."""
    return [of_row(row) for row in tx.all(_PATIENTS, connection=connection, after=after, count=count)]


def standing(tx: Transaction, connection: str, patient: str) -> dict[str, str]:
    """How each resource of a patient stands with the EHR, by ``Type/id``.

    ok, waiting, refused, conflict or gone; a resource that is not named was never agreed on and is kept here only.
    """
    named = {"connection": connection, "patient": patient}
    made = {
        f"{type_}/{id_}": "gone" if gone else "ok" for type_, id_, gone, agreed in tx.all(_LINKS, **named) if agreed
    }
    sending: dict[str, set[str]] = {}
    for type_, id_, state in tx.all(_SENDING, **named):
        sending.setdefault(f"{type_}/{id_}", set()).add(str(state))
    made |= {ref: "refused" if states == {"parked"} else "waiting" for ref, states in sending.items()}
    made |= {f"{type_}/{id_}": "conflict" for type_, id_ in tx.all(_CONFLICTS, **named)}
    return made


def findings(tx: Transaction, connection: str, patient: str) -> dict[str, tuple[Issue, ...]]:
    """What was found wrong with the current version of each resource of a patient, by ``Type/id``."""
    rows = tx.all(_FOUND, connection=connection, patient=patient)
    return {f"{type_}/{id_}": outcome.issues(codec.loads(text)) for type_, id_, text in rows}


def receipts(tx: Transaction, connection: str, patient: str, *, count: int) -> list[Receipt]:
    """What became of the changes of a patient's resources, at most ``count``, the newest first."""
    return [receipt_of(row) for row in tx.all(_RECEIPTS, connection=connection, patient=patient, count=count)]
