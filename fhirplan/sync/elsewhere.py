"""Sends a change in another form where the EHR does not take it as what it is: down the ladder of ``ehr/routes``."""

from __future__ import annotations

from dataclasses import replace

from fhirplan.coordination.elements import is_derived
from fhirplan.ehr.discovery import TypeCapability
from fhirplan.ehr.routes import ROUTE, Method, instead
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.sync import stand_in
from fhirplan.sync.delivery import Delivery, Job, kept_here, said
from fhirplan.sync.lookup import query
from fhirplan.sync.sides import Sides


def elsewhere(sides: Sides, job: Job, version: int, local: Resource, method: Method) -> Delivery:
    """Sends in another form a change that the EHR does not take as it is; the receipt says what that leaves out."""
    ways = instead(sides.client.capabilities(), job.type, method)
    with sides.database.read() as tx:
        ids = sides.ids(tx)
        if is_derived(local):
            # What is computed from the rest has nothing of its own to say in another form, and nobody is to look at it.
            return replace(kept_here(method, job.type), state="sent")
        patient = stand_in.patient(ids, local)
        way = ways[0] if ways and patient else ""
        if not way:
            return kept_here(method, job.type)
        before = stand_in.earlier(tx, sides.connection, job.type, job.id, way)
        text = stand_in.told(lambda type_, id_: _ours(sides, tx, type_, id_), local)
    body = stand_in.made(way, local, version, text, patient, before, instant(sides.clock()))
    offered = sides.client.capabilities().of(way)
    found = _look_for_stand_in(sides, offered, body) if job.attempts > 1 else None
    if not found:
        job.hold()
    ehr_id = found or sides.client.create(body).id
    words = (
        f"The EHR does not take {method} of {job.type}. Its text was sent as {way}/{ehr_id}; what is coded in it "
        "stays here only."
    )
    return Delivery("sent", ROUTE[way], f"{way}/{ehr_id}", reason=said("informational", words))


def _ours(sides: Sides, tx: Transaction, type_: str, id_: str) -> Resource | None:
    found = versions.current(tx, sides.connection, type_, id_)
    return found.resource() if found is not None and not found.deleted else None


def _look_for_stand_in(sides: Sides, offered: TypeCapability, body: Resource) -> str:
    """The EHR's id of what an earlier attempt created, "" when it surely did not land."""
    mark = stand_in.mark(body)
    for page in sides.client.search(offered.type, query(offered, body, "identifier", f"{stand_in.SYSTEM}|{mark}")):
        for resource in page.resources:
            if stand_in.mark(resource) == mark:
                return str(resource["id"])
    return ""
