"""Says a change in a form that the EHR takes when it does not take the change itself: a document, an order, a message.

What is made carries the resource's type, id and version as a business identifier, so that it is sent once and known
again when it comes back in a pull.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from fhirplan.ehr.routes import ROUTE, Elsewhere
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource
from fhirplan.merge.conflict import plain
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import receipts
from fhirplan.sync.content import SID
from fhirplan.sync.identity import Ids

SYSTEM: Final = SID + "stand-in"
_LOINC: Final = "http://loinc.org"
_NOTE_CATEGORY: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
_TITLES: Final = {"CarePlan": "Care plan", "CareTeam": "Care team", "Goal": "Goal", "Task": "Task"}
Find = Callable[[str, str], Resource | None]


def mark(resource: Resource) -> str:
    """What a stand-in stands for, as ``Goal/g1/3``; "" for any other resource."""
    named = resource.get("identifier")
    for item in named if isinstance(named, list) else [named]:
        if isinstance(item, dict) and item.get("system") == SYSTEM and isinstance(item.get("value"), str):
            return str(item["value"])
    return ""


def is_stand_in(resource: Resource) -> bool:
    """Whether the EHR's resource is one of ours in another form, and so nothing new."""
    return bool(mark(resource))


def patient(ids: Ids, local: Resource) -> str:
    """The EHR's id of the patient a resource is about, "" when the EHR does not have them."""
    for key in ("subject", "for", "patient"):
        element = local.get(key)
        to = reference.parse(element.get("reference")) if isinstance(element, dict) else None
        if to and to.type == "Patient":
            return ids.theirs(to.type, to.id)
    return ""


def earlier(tx: Transaction, connection: str, type_: str, id_: str, way: Elsewhere) -> str:
    """The EHR's reference to what was last sent for a resource by the same way, "" when nothing was."""
    sent = [r for r in receipts.of(tx, connection, type_, id_) if r.state == "sent" and r.route == ROUTE[way]]
    return sent[-1].ehr_id if sent else ""


def told(find: Find, local: Resource) -> str:
    """A resource in plain lines; of a care plan also its goals and tasks, looked up with ``find``."""
    return "\n".join(_lines(find, local))


def made(way: Elsewhere, local: Resource, version: int, text: str, patient_id: str, before: str, now: str) -> Resource:
    """The stand-in of a version of a resource; ``before`` is the one it replaces, ``now`` an instant."""
    value = f"{local['resourceType']}/{local['id']}/{version}"
    subject = {"reference": f"Patient/{patient_id}"}
    own = {"system": SYSTEM, "value": value}
    match way:
        case "DocumentReference":
            return _document(local, text, subject, own, before, now)
        case "ServiceRequest":
            return _order(local, text, subject, own, now)
        case "Communication":
            more: Resource = {"sent": now, "payload": [{"contentString": text}]}
            return _of(way, subject, [own], status="completed", **more)
        case "QuestionnaireResponse":
            item = {"linkId": "text", "text": _title(local), "answer": [{"valueString": text}]}
            return _of(way, subject, own, status="completed", authored=now, item=[item])
        case "Basic":
            code = {"coding": [{"system": f"{SID}basic", "code": str(local["resourceType"])}], "text": text}
            return _of(way, subject, [own], code=code)


def _of(way: Elsewhere, subject: dict[str, str], identifier: Any, **members: Any) -> Resource:
    return {"resourceType": way, "identifier": identifier, "subject": subject, **members}


def _document(
    local: Resource, text: str, subject: dict[str, str], own: dict[str, str], before: str, now: str
) -> Resource:
    code = {"coding": [{"system": _LOINC, "code": "18776-5", "display": "Plan of care note"}]}
    data = base64.b64encode(text.encode()).decode()
    attached = {"contentType": "text/plain", "language": "en", "data": data, "title": _title(local), "creation": now}
    members: Resource = {
        "status": "current",
        "docStatus": "final",
        "type": code,
        "category": [{"coding": [{"system": _NOTE_CATEGORY, "code": "clinical-note"}]}],
        "date": now,
        "content": [{"attachment": attached}],
    }
    if before:
        members["relatesTo"] = [{"code": "replaces", "target": {"reference": before}}]
    return _of("DocumentReference", subject, [own], **members)


def _order(local: Resource, text: str, subject: dict[str, str], own: dict[str, str], now: str) -> Resource:
    """A request for what a task asks; its status follows the task's, as far as a request has such a status."""
    ended = {"completed": "completed", "cancelled": "revoked", "rejected": "revoked", "failed": "revoked"}
    code = local.get("code")
    members: Resource = {
        "status": ended.get(str(local.get("status")), "active"),
        "intent": "order",
        "code": {**code, "text": code.get("text") or _title(local)}
        if isinstance(code, dict)
        else {"text": _title(local)},
        "authoredOn": now,
        "note": [{"text": text}],
    }
    return _of("ServiceRequest", subject, [own], **members)


def _title(local: Resource) -> str:
    """What a resource is called."""
    for key in ("title", "description", "name", "code"):
        if local.get(key):
            return plain(local[key])
    return _TITLES.get(str(local["resourceType"]), str(local["resourceType"]))


def _lines(find: Find, local: Resource) -> Iterator[str]:
    kind = str(local["resourceType"])
    yield f"{_TITLES.get(kind, kind)}: {_title(local)}"
    for key, label in _FIELDS:
        if local.get(key) and plain(local[key]) != _title(local):
            yield f"{label}: {plain(local[key])}"
    for target in _objects(local.get("target")):
        yield f"Target: {_target(target)}"
    for person in _objects(local.get("participant")):
        yield f"Member: {' - '.join(filter(None, (plain(person.get('member')), plain(person.get('role')))))}"
    for note in _objects(local.get("note")):
        yield f"Note: {plain(note)}"
    for goal in _objects(local.get("goal")):
        yield from _within(find, goal)
    for activity in _objects(local.get("activity")):
        if "reference" in activity:
            yield from _within(find, activity["reference"])
        elif isinstance(activity.get("detail"), dict):
            detail = activity["detail"]
            named = plain(detail.get("description") or detail.get("code"))
            yield f"Activity: {named} ({plain(detail.get('status'))})"


def _within(find: Find, element: Any) -> Iterator[str]:
    to = reference.parse(element.get("reference")) if isinstance(element, dict) else None
    found = find(to.type, to.id) if to else None
    if found is not None and found.get("resourceType") not in ("CarePlan", None):
        yield from (f"  {line}" for line in _lines(lambda *_: None, found))
    elif isinstance(element, dict) and element.get("display"):
        yield f"  {element['display']}"


def _target(target: dict[str, Any]) -> str:
    detail = next((plain(value) for key, value in target.items() if key.startswith("detail")), "")
    due = target.get("dueDate")
    parts = (plain(target.get("measure")), detail, f"by {due}" if due else "")
    return " ".join(filter(None, parts))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_FIELDS: Final = (
    ("status", "Status"),
    ("lifecycleStatus", "Status"),
    ("achievementStatus", "Progress"),
    ("businessStatus", "Where it stands"),
    ("priority", "Priority"),
    ("description", "Description"),
    ("period", "Period"),
    ("startDate", "Since"),
    ("owner", "For"),
    ("executionPeriod", "When"),
    ("addresses", "About"),
)
