"""Makes a Provenance of each write of a version: who did it, when, what became of what (R4 Provenance).

It is not stored: whoever wrote a version stands in the version's row, in the transaction of the write itself. Its id is
``write.`` and the number of that row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, select

from fhirplan.catalog import CATALOG
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant
from fhirplan.fhir.reference import parse
from fhirplan.search.values import extractor
from fhirplan.store import tables, versions, writes
from fhirplan.store.commit import lane
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.sync import links
from fhirplan.store.versions import Step, Version, Window, resource_of
from fhirplan.store.writes import PROVENANCE, SLACK, Write

PATIENT: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Provenance.patient"
"""The extension by which R4 says what R5 says with Provenance.patient."""
_ID: Final = re.compile(r"write\.([1-9][0-9]{0,17})", re.ASCII)
_OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_SID: Final = "http://fhirplan.dev/fhir/sid/"
_ACTIVITY: Final = {"create": "CREATE", "update": "UPDATE", "delete": "DELETE"}
# Who writes here without being a caller of the API: what an EHR sent, and what was merged of both sides.
_FROM_EHR: Final = ("ehr", "merge")
_CODES: Final = frozenset({"target", "patient", "agent", "entity"})
_AGENTS: Final = next(item.targets for item in CATALOG[PROVENANCE].parameters if item.code == "agent")
_LINKS: Final = extractor(item for item in CATALOG[PROVENANCE].parameters if item.code in _CODES)
_RESOLVED: Final = statement(
    select(tables.conflict.c.cid).where(
        tables.conflict.c.connection == bindparam("connection"),
        tables.conflict.c.type == bindparam("type"),
        tables.conflict.c.id == bindparam("id"),
        tables.conflict.c.state == "resolved",
        tables.conflict.c.decided_version == bindparam("version"),
    )
)


def is_made(type: str, id: str) -> bool:
    """Whether an id is one of a Provenance that is made here, which nobody can write."""
    return type == PROVENANCE and _ID.fullmatch(id) is not None


def number_of(id: str) -> int | None:
    """The number of the write that an id of a Provenance names, None for any other id."""
    found = _ID.fullmatch(id)
    return int(found[1]) if found else None


def current(tx: Transaction, connection: str, type: str, id: str) -> Version | None:
    """As ``store.versions.current``, of what is made as of what is stored."""
    if not is_made(type, id):
        return versions.current(tx, connection, type, id)
    write = writes.one(tx, connection, number_of(id) or 0)
    return made(tx, connection, write) if write is not None else None


def made(tx: Transaction, connection: str, write: Write) -> Version:
    """The Provenance of a write, as the only version of a resource; its ``rid`` is none of a stored one."""
    id_ = f"write.{write.vid}"
    name = f"{write.type}/{write.id}"
    whose = patient_of(write)
    resource: dict[str, Any] = {
        "resourceType": PROVENANCE,
        "id": id_,
        "meta": {"versionId": "1", "lastUpdated": instant(write.updated)},
    }
    if whose:
        resource["extension"] = [{"url": PATIENT, "valueReference": {"reference": whose}}]
    resource["target"] = [{"reference": f"{name}/_history/{write.version}", "type": write.type}]
    resource["recorded"] = instant(write.updated)
    resource["activity"] = {"coding": [{"system": _OPERATION, "code": _ACTIVITY[write.method]}]}
    resource["agent"] = _agents(connection, write.actor)
    entities = _entities(tx, connection, write)
    if entities:
        resource["entity"] = entities
    return Version(-write.vid, PROVENANCE, id_, 1, write.updated, "create", dumps(resource))


def steps(tx: Transaction, connection: str, window: Window) -> list[Step]:
    """As ``versions.history_types``, of what is made: each was created by the write that it tells of."""
    before = window.before
    if window.high is not None:
        before = min(before, writes.first_at(tx, window.high + SLACK))
    found: list[Step] = []
    while len(found) < window.count:
        read = writes.along(tx, connection, after=before, count=window.count, backwards=True)
        for write in read:
            if write.updated >= window.since and (window.high is None or write.updated < window.high):
                found.append(Step(made(tx, connection, write), write.vid, made=True))
        if len(read) < window.count or read[-1].updated < window.since - SLACK:
            break
        before = read[-1].vid
    return found[: window.count]


def patient_of(write: Write) -> str:
    """The patient in whose record it was written as ``Patient/x``, "" for none."""
    spec = CATALOG.get(write.type)
    if spec is None or write.body is None:
        return ""
    return lane(spec, write.id, resource_of(write.body))


def _agents(connection: str, actor: str) -> list[dict[str, Any]]:
    if actor not in _FROM_EHR:
        return [_agent("author", _who(actor))]
    ehr = {"identifier": {"system": f"{_SID}connection", "value": connection}, "display": f"EHR ({connection})"}
    return [_agent("custodian", ehr), _agent("assembler", {"display": "fhirplan"})]


def _agent(role: str, who: dict[str, Any]) -> dict[str, Any]:
    return {"type": {"coding": [{"system": _PARTICIPANT, "code": role}]}, "who": who}


def _who(actor: str) -> dict[str, Any]:
    found = parse(actor)
    if found is not None and found.type and found.id:
        return {"reference": actor}
    if not actor:
        return {"display": "unknown"}
    return {"identifier": {"system": f"{_SID}actor", "value": actor}, "display": actor}


def _entities(tx: Transaction, connection: str, write: Write) -> list[dict[str, Any]]:
    """What it was made of: the version before, the EHR's copy of an import, the conflict that it resolves."""
    found: list[dict[str, Any]] = []
    if write.before:
        role = "removal" if write.method == "delete" else "revision"
        found.append({"role": role, "what": {"reference": f"{write.type}/{write.id}/_history/{write.version - 1}"}})
    if write.actor in _FROM_EHR:
        link = links.by_id(tx, connection, write.type, write.id)
        if link is not None and link.ehr_id:
            known = link.ehr_version and link.local_version == write.version
            text = f"{write.type}/{link.ehr_id}" + (f"/_history/{link.ehr_version}" if known else "")
            found.append(_source("ehr", text, f"{text} of the EHR"))
    elif write.version > 1:
        row = tx.one(_RESOLVED, connection=connection, type=write.type, id=write.id, version=write.version)
        if row is not None:
            found.append(_source("conflict", str(row[0]), f"conflict {row[0]}, resolved with this version"))
    return found


def _source(kind: str, value: str, display: str) -> dict[str, Any]:
    return {"role": "source", "what": {"identifier": {"system": f"{_SID}{kind}", "value": value}, "display": display}}


def referring(
    tx: Transaction, connection: str, named: Sequence[tuple[str, str]], code: str, most: int
) -> list[Version]:
    """What is made that refers to one of these resources (type and id) by a parameter, "*" for any; newest first."""
    found: dict[int, Version] = {}
    for type_, id_ in named:
        asked = [writes.of_resource(tx, connection, type_, id_, after=None, count=most, backwards=True)]
        if type_ == "Patient" and code in ("*", "patient"):
            asked.append(writes.of_patient(tx, connection, id_, after=None, count=most, backwards=True))
        if type_ in _AGENTS and code in ("*", "agent"):
            asked.append(writes.of_actor(tx, connection, f"{type_}/{id_}", after=None, count=most, backwards=True))
        for write in (item for part in asked for item in part):
            if write.vid not in found and len(found) < most:
                version = made(tx, connection, write)
                if any(name == (type_, id_) for name in referred(version, code, "")):
                    found[write.vid] = version
    return list(found.values())


def referred(version: Version, code: str, target: str) -> Iterable[tuple[str, str]]:
    """Type and id of what a Provenance refers to by a parameter, "*" for any; only of type ``target`` unless ""."""
    rows = {value for found, kind, value in _LINKS(version.resource()) if kind == "reference" and code in ("*", found)}
    return sorted((type_, id_) for type_, id_ in rows if type_ and target in ("", type_))
