"""Makes a documented call of three fields into a Communication, and what follows from it for its task."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.chart import codes, people, team
from fhirplan.chart.edits import (
    BadForm,
    Form,
    Write,
    Wrong,
    chosen,
    day_of,
    end_of,
    moment_of,
    now_of,
    reference,
    text_of,
    workday_after,
)
from fhirplan.chart.task_edits import PROFILES, with_output
from fhirplan.chart.tasks import CONTACT_TYPES
from fhirplan.chart.world import World
from fhirplan.coordination.elements import child, code, objects, target
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.vocabulary import ATTEMPTS, BUSINESS_STATUS, CONTACT_OUTCOME, INTERACTIVE, TASK_TYPE
from fhirplan.fhir.codec import Resource

_DURATION: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-contact-duration"
_MODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
_NOT_DONE: Final = "http://terminology.hl7.org/CodeSystem/communication-not-done-reason"
MEDIA: Final = {"PHONE": "telephone", "FACE": "face-to-face", "VIDEOCONF": "videoconferencing", "EMAILWRIT": "email"}
# The outcomes offered first; the others stand behind "More".
FIRST: Final = ("reached", "reached-representative", "left-message", "no-answer", "declined")
MORE: Final = ("rescheduled", "wrong-number", "disconnected")
_TYPES: Final = {
    "post-discharge-call": "post-discharge-follow-up",
    "contact-provider": "care-coordination",
    "contact-payer": "authorization",
}
_MOST_MINUTES: Final = 600
_STEPS: Final = frozenset({"suggested", "keep", "again", "done"})


def documented(
    form: Form, key: str, patient: str, plan: Resource | None, task: Resource | None, world: World
) -> list[Write]:
    """The Communication under the id ``key``, and its task where the call has a consequence for it.

    ``how`` is an outcome, ``said`` what was spoken of, ``next`` what follows: suggested, keep, again (with ``again``,
    a day) or done. Everything else has a default. Raises BadForm.
    """
    how = codes.concept("cm-contact-outcome", text_of(form, "how"))
    if how is None:
        raise BadForm(Wrong("how", "val.how"))
    step = text_of(form, "next") or "suggested"
    if step not in _STEPS:
        raise BadForm(Wrong("next", "val.choice"))
    again = day_of(form, "again", world)
    if step == "again" and again is None:
        raise BadForm(Wrong("again", "val.again"))
    if step == "done" and how.code in ATTEMPTS:
        raise BadForm(Wrong("next", "call.attempt_rule"))
    made = Write(_communication(form, key, patient, plan, task, how, world))
    if task is None or step == "keep":
        return [made]
    version = text_of(form, "etag") or str(child(task, "meta", "versionId") or "")
    if step == "done" or (step == "suggested" and how.code in INTERACTIVE and how.code != "rescheduled"):
        return [made, Write(_done(task, key, made.resource, world), version)]
    day = again or workday_after(world.today)
    return [made, Write(_tried(task, end_of(day, world.zone), how.code, world), version)]


def _communication(
    form: Form,
    key: str,
    patient: str,
    plan: Resource | None,
    task: Resource | None,
    how: codes.Concept,
    world: World,
) -> Resource:
    status = "not-done" if how.has("communicationStatus", "not-done") else "completed"
    said, at = text_of(form, "said"), moment_of(form, "when", world) or now_of(world)
    bases = [f"Task/{task['id']}"] if task else []
    bases += [f"CarePlan/{plan['id']}"] if plan else []
    made: Resource = {
        "resourceType": "Communication",
        "id": key,
        "meta": {"profile": [f"{PROFILES}contact"]},
        "extension": [{"url": CONTACT_OUTCOME, "valueCodeableConcept": how.concept()}, *_duration(form)],
        "basedOn": [reference(ref) for ref in bases] or None,
        "status": status,
        "statusReason": _why(how) if status == "not-done" else None,
        "category": [_type(form, task)],
        "medium": [_medium(text_of(form, "medium") or "PHONE")],
        "subject": reference(f"Patient/{patient}", _name(f"Patient/{patient}", world)),
        "topic": _topic(form),
        "sent": at,
        "received": at if how.code in INTERACTIVE else None,
        "recipient": [_recipient(form, patient, how.code, world)],
        "sender": _sender(form, patient, world),
        "payload": [{"contentString": said}] if said and status == "completed" else None,
        "note": [{"time": now_of(world), "text": said}] if said and status != "completed" else None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _duration(form: Form) -> list[dict[str, Any]]:
    text = text_of(form, "minutes")
    if not text:
        return []
    if not text.isdecimal() or not 0 < int(text) <= _MOST_MINUTES:
        raise BadForm(Wrong("minutes", "val.minutes"))
    quantity = {"value": int(text), "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}
    return [{"url": _DURATION, "valueDuration": quantity}]


def _why(how: codes.Concept) -> dict[str, Any]:
    name = "recipient-unavailable" if how.code == "no-answer" else "system-error"
    coding = {"system": _NOT_DONE, "code": name}
    return {"coding": [coding], "text": how.display} if name == "recipient-unavailable" else {"text": how.display}


def _type(form: Form, task: Resource | None) -> dict[str, Any]:
    default = _TYPES.get(code((task or {}).get("code"), TASK_TYPE), "outreach")
    found = codes.concept("cm-contact-type", text_of(form, "type") or default)
    if found is None:
        raise BadForm(Wrong("type", "val.choice"))
    return {"coding": [found.coding()]}


def _medium(name: str) -> dict[str, Any]:
    if name not in MEDIA:
        raise BadForm(Wrong("medium", "val.choice"))
    return {"coding": [{"system": _MODE, "code": name, "display": MEDIA[name]}]}


def _topic(form: Form) -> dict[str, Any] | None:
    found = chosen(form, "topic", "cm-contact-topic")
    return {"coding": [found.coding()]} if found else None


def _recipient(form: Form, patient: str, how: str, world: World) -> dict[str, str]:
    ref = text_of(form, "recipient")
    if not ref and how == "reached-representative":
        ref = next((f"RelatedPerson/{item['id']}" for item in world.of("RelatedPerson")), "")
    if ref and ref not in world.known and ref != f"Patient/{patient}":
        raise BadForm(Wrong("recipient", "val.choice"))
    ref = ref or f"Patient/{patient}"
    return reference(ref, _name(ref, world))


def _sender(form: Form, patient: str, world: World) -> dict[str, str]:
    ref = text_of(form, "sender") or world.me
    if not ref:
        raise BadForm(Wrong("sender", "val.sender"))
    if ref not in world.known and ref != world.me:
        raise BadForm(Wrong("sender", "val.choice"))
    return reference(ref, _name(ref, world))


def _name(ref: str, world: World) -> str:
    return people.name_of(world.known.get(ref), world.known)


def _done(task: Resource, key: str, call: Resource, world: World) -> Resource:
    """The task completed by the call: its result is the call, its outcome that contact was made."""
    made = {name: value for name, value in task.items() if name != "businessStatus"}
    made["status"] = "completed"
    made["executionPeriod"] = {**_started(task, call), "end": call["sent"]}
    made = with_output(made, "resulting-activity", {"valueReference": reference(f"Communication/{key}")})
    found = codes.concept("cm-task-outcome", "contact-made")
    made = with_output(made, "outcome", {"valueCodeableConcept": found.concept()}) if found else made
    return applied(task, _owned(made, world), world.now.astimezone(world.zone))


def _started(task: Resource, call: Resource) -> dict[str, Any]:
    period = child(task, "executionPeriod")
    start = period.get("start") if isinstance(period, dict) else None
    return {"start": start or call["sent"]}


def _tried(task: Resource, due: str, how: str, world: World) -> Resource:
    """The task under way, tried once more, and due anew."""
    restriction = dict(child(task, "restriction") or {})
    period = {**(restriction.get("period") or {}), "end": due}
    if str(period.get("start") or "") > due:
        period.pop("start")
    made: Resource = {**task, "status": "in-progress", "restriction": {**restriction, "period": period}}
    if how in ATTEMPTS:
        attempted = codes.concept("cm-business-status", "contact-attempted")
        made["businessStatus"] = {
            "coding": [attempted.coding() if attempted else {"system": BUSINESS_STATUS, "code": "contact-attempted"}]
        }
    return applied(task, _owned(made, world), world.now.astimezone(world.zone))


def _owned(task: Resource, world: World) -> Resource:
    if task.get("owner") or not world.me:
        return task
    return {**task, "owner": reference(world.me, _name(world.me, world))}


def first_task(plan_tasks: list[Resource]) -> Resource | None:
    """The open contact task that is due first, which a call is about unless somebody says otherwise."""
    found = [
        item
        for item in plan_tasks
        if code(item.get("code"), TASK_TYPE) in CONTACT_TYPES and item.get("status") not in _OVER
    ]
    return min(found, key=lambda item: str(child(item, "restriction", "period", "end") or "9999"), default=None)


_OVER: Final = frozenset({"draft", "completed", "failed", "rejected", "cancelled", "entered-in-error"})


def recipients(patient: str, world: World) -> list[tuple[str, str]]:
    """Whom a call can have been with: the patient, then those related to them with their relation."""
    found = [(f"Patient/{patient}", _name(f"Patient/{patient}", world))]
    for item in world.of("RelatedPerson"):
        relation = next((people.label(entry, world.words) for entry in objects(item.get("relationship"))), "")
        name = people.name_of(item, world.known, world.words)
        found.append((f"RelatedPerson/{item['id']}", f"{name} ({relation})" if relation else name))
    return found


def others(plan: Resource | None, world: World) -> list[tuple[str, str]]:
    """Whom else a contact can have been with: the team, those who provide the services, and who pays."""
    found = dict(team.candidates(plan, world))
    for item in world.of("Coverage"):
        for ref in (target(one) for one in objects(item.get("payor"))):
            if ref.startswith("Organization/") and ref in world.known:
                found.setdefault(ref, _name(ref, world) or ref)
    return list(found.items())
