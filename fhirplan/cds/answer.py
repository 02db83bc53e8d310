"""Carries out a call: reads the record, makes the cards, and stops in time (CDS Hooks 2.0)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.catalog import CATALOG
from fhirplan.cds import discharge, orders, view
from fhirplan.cds.call import Call
from fhirplan.cds.cards import Card, Source, response
from fhirplan.cds.moment import Moment
from fhirplan.cds.telling import may_be_told
from fhirplan.cds.trust import Caller, serves
from fhirplan.coordination import disclosure
from fhirplan.coordination.elements import word
from fhirplan.coordination.state import state
from fhirplan.ehr import lent
from fhirplan.fhir.codec import Resource
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.store import audit
from fhirplan.store.audit import Accesses
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.engine import Database, Transaction
from fhirplan.store.sync import conflicts, links
from fhirplan.telemetry import log

_MAKERS: Final[Mapping[str, Callable[[Moment], Iterator[Card]]]] = {
    "patient-view": view.cards,
    "encounter-discharge": discharge.cards,
    "order-sign": orders.cards,
}
_STANDING: Final = ("active", "on-hold")
_log: Final = log("cds")


@dataclass(frozen=True, slots=True)
class Cds:
    """What the services work with; ``clock`` gives ms since 1970, ``timer`` seconds that only grow, ``read`` a
    resource of the EHR's by a lent token (see ``ehr.lent``)."""

    settings: Settings
    database: Database
    clock: Callable[[], int]
    accesses: Accesses | None = None
    timer: Callable[[], float] = time.monotonic
    read: Callable[[str, str, str, str, float], Resource | None] = lent.read


def answer(cds: Cds, call: Call, caller: Caller, request_id: str, address: str = "") -> dict[str, Any]:
    """The cards for a call; fewer rather than late ones when ``cds_seconds`` are over.

    No cards for a patient who is not known here, or has no plan that is active or on hold; of what is withheld from the
    EHR or its user they are made as if it were not there.
    """
    ends = cds.timer() + cds.settings.cds_seconds
    made: list[Card] = []
    name = caller.connection.name
    with cds.database.read() as tx:
        patient = _ours(tx, caller, "Patient", call.patient)
        told = may_be_told(cds.settings, tx, caller.connection, _user(tx, caller, call.user), cds.clock())
        world = StoredRecord(tx, name, shown=told)
        if patient and world.get(f"Patient/{patient}") is not None:
            stay = _encounter(cds, tx, call, caller, world, ends)
            found = _moment(cds, tx, call, caller, (patient, world, stay))
            for card in _MAKERS[call.service.hook](found):
                made.append(card)
                if cds.timer() >= ends:
                    _log.warning("cards left out for want of time", service=call.service.id, made=len(made))
                    break
    _note(cds, call, caller, patient, request_id, address)
    return response(made, _source(cds.settings, caller, patient), call.instance)


def _moment(
    cds: Cds, tx: Transaction, call: Call, caller: Caller, about: tuple[str, StoredRecord, Resource | None]
) -> Moment:
    patient, world, stay = about
    name, zone = caller.connection.name, ZoneInfo(cds.settings.time_zone)
    now = datetime.fromtimestamp(cds.clock() / 1000, UTC).astimezone(zone)
    held = world.of_patient(f"Patient/{patient}", "CarePlan")
    plans = [item for item in held if word(item) in _STANDING and not disclosure.sensitive(item)]
    plans.sort(key=lambda item: (_STANDING.index(word(item)), item["id"]))

    def theirs(ref: str) -> str:
        type_, _, id_ = ref.partition("/")
        known = links.their_id(tx, name, type_, id_) or ("" if caller.connection.ehr_url else id_)
        return f"{type_}/{known}" if known else ""

    return Moment(
        call=call,
        world=world,
        patient=f"Patient/{patient}",
        plans=tuple(state(world, plan, now, zone) for plan in plans),
        conflicts=frozenset(f"{item.type}/{item.id}" for item in conflicts.listed(tx, name)),
        encounter=stay,
        theirs=theirs,
        now=now,
        zone=zone,
    )


def _encounter(
    cds: Cds, tx: Transaction, call: Call, caller: Caller, world: StoredRecord, ends: float
) -> Resource | None:
    """The stay: as it was sent along, as it is known here, or as the EHR gives it for the lent token."""
    if not call.encounter or call.service.hook != "encounter-discharge":
        return None
    sent = call.prefetch.get("encounter")
    if sent is not None and sent.get("resourceType") == "Encounter" and sent.get("id") == call.encounter:
        return sent
    known = _ours(tx, caller, "Encounter", call.encounter)
    if known:
        return world.get(f"Encounter/{known}")
    if call.token and serves(caller.connection, call.server):
        # Half of the time, so that there is some left for the cards.
        return cds.read(call.server, "Encounter", call.encounter, call.token, max((ends - cds.timer()) / 2, 0.01))
    return None


def _ours(tx: Transaction, caller: Caller, type_: str, id_: str) -> str:
    """Our id of one of the EHR's; where there is no EHR, ours are the only ones there are."""
    return links.our_id(tx, caller.connection.name, type_, id_) if caller.connection.ehr_url else id_


def _user(tx: Transaction, caller: Caller, reference: str) -> str:
    """Our reference of the person in front of the EHR, "" where we do not know them."""
    type_, _, id_ = reference.partition("/")
    known = _ours(tx, caller, type_, id_) if type_ in CATALOG and id_ else ""
    return f"{type_}/{known}" if known else ""


def _source(settings: Settings, caller: Caller, patient: str) -> Source:
    base = settings.base_url.rstrip("/")
    if settings.auth == "open":
        return Source("Care plan", f"{base}/chart/", f"{base}/chart/patients/{patient}", smart=False)
    name = caller.connection.name
    launch = f"{base}/auth/launch" + ("" if name == DEFAULT_CONNECTION else f"?connection={name}")
    return Source("Care plan", f"{base}/chart/", launch, smart=True)


def _note(cds: Cds, call: Call, caller: Caller, patient: str, request_id: str, address: str) -> None:
    if cds.accesses is not None:
        cds.accesses.note(
            audit.entry(
                cds.clock(),
                caller.connection.name,
                f"cds {caller.issuer}" if caller.issuer else "anybody",
                "E",
                "Patient" if patient else None,
                patient or None,
                None,
                request_id,
                "success",
                patient=patient,
                address=address,
                kind="operation",
                query=call.service.hook,
            )
        )
