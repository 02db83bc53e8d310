"""Reads all that is stored of one patient, and how far each resource has come on its way to the EHR."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select

from fhirplan.store.engine import Transaction, statement
from fhirplan.store.tables import conflict, index_reference, link, outbox, search_param
from fhirplan.store.tables import resource as resources
from fhirplan.store.tables import version as versions
from fhirplan.store.versions import COLUMNS, Version, of_row

_OF_PATIENT: Final = statement(
    select(*COLUMNS)
    .select_from(
        search_param.join(index_reference, index_reference.c.pid == search_param.c.pid)
        .join(resources, resources.c.rid == index_reference.c.rid)
        .join(versions, versions.c.vid == resources.c.vid)
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
    .select_from(resources.join(versions, versions.c.vid == resources.c.vid))
    .where(
        resources.c.connection == bindparam("connection"),
        resources.c.type == "Patient",
        resources.c.deleted == 0,
        resources.c.rid > bindparam("after"),
    )
    .order_by(resources.c.rid)
    .limit(bindparam("count"))
)
_CONFLICT: Final = statement(
    select(conflict.c.cid).where(
        conflict.c.connection == bindparam("connection"),
        conflict.c.type == bindparam("type"),
        conflict.c.id == bindparam("id"),
        conflict.c.state == "open",
    )
)
_SENDING: Final = statement(
    select(outbox.c.state).where(
        outbox.c.connection == bindparam("connection"),
        outbox.c.type == bindparam("type"),
        outbox.c.id == bindparam("id"),
        outbox.c.state != "done",
    )
)
_LINK: Final = statement(
    select(link.c.ehr_gone, link.c.base.is_not(None)).where(
        link.c.connection == bindparam("connection"), link.c.type == bindparam("type"), link.c.id == bindparam("id")
    )
)


def of_patient(tx: Transaction, connection: str, patient: str, types: Iterable[str], *, count: int) -> list[Version]:
    """The current versions of the resources whose ``patient`` is this one, at most ``count`` newest of each type."""
    return [
        of_row(row)
        for type_ in types
        for row in tx.all(_OF_PATIENT, connection=connection, type=type_, patient=patient, count=count)
    ]


def patients(tx: Transaction, connection: str, *, after: int = 0, count: int) -> list[Version]:
    """The current versions of the patients, oldest first, beginning behind the resource number ``after``."""
    return [of_row(row) for row in tx.all(_PATIENTS, connection=connection, after=after, count=count)]


def standing(tx: Transaction, connection: str, type_: str, id_: str) -> str:
    """How a resource stands with the EHR: ok, waiting, refused, conflict, gone, or here (never agreed on)."""
    named = {"connection": connection, "type": type_, "id": id_}
    if tx.one(_CONFLICT, **named):
        return "conflict"
    sending = {str(row[0]) for row in tx.all(_SENDING, **named)}
    if sending:
        return "refused" if sending == {"parked"} else "waiting"
    linked = tx.one(_LINK, **named)
    if linked is None or not linked[1]:
        return "here"
    return "gone" if linked[0] else "ok"
