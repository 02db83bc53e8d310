"""The cards for a discharge: the call, the visit, and what must be arranged before this patient goes home."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from fhirplan.cds.cards import Card, Suggestion
from fhirplan.cds.moment import Moment
from fhirplan.cds.view import MOST_LINES
from fhirplan.coordination import transitions
from fhirplan.coordination.elements import child, local, word
from fhirplan.coordination.elements import moment as moment_of
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.transitions import CALL, VISIT, Discharge
from fhirplan.coordination.vocabulary import DUE_BASIS, TASK_TYPE
from fhirplan.fhir.codec import Resource

ARRANGED: Final = frozenset(
    {"order-equipment", "obtain-authorization", "arrange-service", "arrange-transport", "medication-reconciliation"}
)
"""Task types that must be over before somebody goes home."""
_HOME: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/discharge-disposition", "code": "home"}]}
_STAY: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
_PROFILE: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-task"
_CALLED: Final = {
    CALL: ("Post-discharge contact", "Call within two business days of discharge", "business-days"),
    VISIT: ("Post-discharge visit", "Visit after discharge", "calendar"),
}


def cards(moment: Moment) -> Iterator[Card]:
    """The cards of encounter-discharge; none of the call and the visit where the patient does not go home."""
    for plan in moment.plans:
        found = _expected(moment, plan)
        if found is not None:
            yield from _missing(moment, plan, found, CALL, found.call_by)
            if not _appointed(moment, found):
                yield from _missing(moment, plan, found, VISIT, found.visit_by)
        yield from _unarranged(moment, plan)


def _expected(moment: Moment, plan: PlanState) -> Discharge | None:
    """The discharge as it will be when it is done now."""
    stay: dict[str, Any] = dict(moment.encounter or {"resourceType": "Encounter", "class": _STAY})
    stay["status"] = "finished"
    stay["period"] = {**(stay.get("period") or {}), "end": moment.now.isoformat(timespec="seconds")}
    if not child(stay, "hospitalization", "dischargeDisposition"):
        stay["hospitalization"] = {**(stay.get("hospitalization") or {}), "dischargeDisposition": _HOME}
    return transitions.discharge(stay, plan.plan, plan.risk, moment.zone)


def _missing(moment: Moment, plan: PlanState, found: Discharge, kind: str, by: datetime) -> Iterator[Card]:
    planned = transitions.follow_up(list(plan.tasks), kind, found, moment.zone)
    if planned is not None:
        return
    what = "call" if kind == CALL else "visit"
    summary = f"No follow-up {what} is planned; it is due by {moment.day(by)}"
    suggested = Suggestion(f"Plan the {what}", (_task(moment, plan, kind, by),), f"Create the task for the {what}")
    yield Card(f"{kind} {plan.ref}", "warning", summary, place="transition", suggestions=(suggested,))


def _appointed(moment: Moment, found: Discharge) -> bool:
    """Whether an appointment stands in the time in which the visit is due."""
    for item in moment.world.of_patient(moment.patient, "Appointment"):
        start = moment_of(item.get("start"), moment.zone)
        if word(item) in ("booked", "pending", "arrived") and start and found.at <= start <= found.visit_by:
            return True
    return False


def _unarranged(moment: Moment, plan: PlanState) -> Iterator[Card]:
    waiting = [item for item in moment.shown([*plan.having("open"), *plan.having("planned")]) if item.type in ARRANGED]
    if not waiting:
        return
    late = any(item.state.overdue or item.state.blocked for item in waiting)
    first = moment.line(waiting[0])
    summary = f"Not arranged yet: {first}" if len(waiting) == 1 else f"{len(waiting)} things are not arranged: {first}"
    lines = tuple(moment.line(item) for item in waiting[:MOST_LINES])
    yield Card(f"unarranged {plan.ref}", "critical" if late else "warning", summary, lines, place="now")


def _task(moment: Moment, plan: PlanState, kind: str, by: datetime) -> Resource:
    """The task to create, in the EHR's ids."""
    display, text, basis = _CALLED[kind]
    stay = {"reference": f"Encounter/{moment.call.encounter}"}
    based = moment.theirs(local(plan.plan))
    made: Resource = {
        "resourceType": "Task",
        "meta": {"profile": [_PROFILE]},
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text}</p></div>'},
        "extension": [{"url": DUE_BASIS, "valueCode": basis}],
        "status": "requested",
        "intent": "order",
        "priority": "urgent" if kind == CALL else "routine",
        "code": {"coding": [{"system": TASK_TYPE, "code": kind, "display": display}], "text": text},
        "focus": stay,
        "for": {"reference": f"Patient/{moment.call.patient}"},
        "encounter": stay,
        "authoredOn": moment.now.isoformat(timespec="seconds"),
        "lastModified": moment.now.isoformat(timespec="seconds"),
        "restriction": {"period": {"end": by.isoformat(timespec="seconds")}},
    }
    if based:
        made["basedOn"] = [{"reference": based}]
    if moment.call.user.startswith(("Practitioner/", "PractitionerRole/")):
        made["requester"] = {"reference": moment.call.user}
    return made
