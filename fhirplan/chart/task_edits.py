"""Moves, gives, edits and makes tasks as a form asks: the resources that come out, ready to be written."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.chart import codes, people
from fhirplan.chart.edits import BadForm, Form, Write, Wrong, chosen, day_of, end_of, noted, now_of, reference, text_of
from fhirplan.chart.needs import NEED_TYPE
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.elements import child, code, extension_targets, objects, target
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.vocabulary import (
    BLOCKED_BY,
    BUSINESS,
    BUSINESS_STATUS,
    IO_TYPE,
    PERTAINS_TO_GOAL,
    TERMINAL,
)
from fhirplan.fhir.codec import Resource

PROFILES: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-"
REASONED: Final = frozenset({"on-hold", "rejected", "cancelled", "failed"})
_OWNED: Final = frozenset({"received", "accepted", "in-progress", "completed", "failed"})
_NEED: Final = {
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "verificationStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]
    },
}
_HEALTH_CONCERN: Final = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/condition-category",
    "code": "health-concern",
    "display": "Health Concern",
}


def values(task: Resource, world: World) -> dict[str, str]:
    """What the form for editing a task begins with."""
    when = due.due_time(task, world.zone)
    return {
        "title": people.name_of(task, world.known, world.words),
        "due": when.astimezone(world.zone).date().isoformat() if when else "",
        "owner": target(task.get("owner")),
        "priority": str(task.get("priority") or "routine"),
        "status": str(task.get("status") or ""),
    }


def moved(task: Resource, form: Form, version: str, key: str, world: World) -> list[Write]:
    """A task moved to another status, with the reason or the outcome that the move asks for.

    On hold it can name what it waits for: a barrier that is known (``barrier``), or a new one in words
    (``new_barrier``), which becomes a Condition under the id ``key``. Raises BadForm.
    """
    to = text_of(form, "to")
    made: Resource = {**task, "status": to}
    extra: list[Write] = []
    if to in REASONED:
        made["statusReason"] = _reason(form)
    if to == "on-hold":
        barrier, extra = _barrier(task, form, key, world)
        made = _blocked_by(made, barrier) if barrier else made
    if to == "completed":
        made = _finished(made, chosen(form, "outcome", "cm-task-outcome"), world)
    if to in _OWNED and not made.get("owner"):
        if not world.me:
            raise BadForm(Wrong("owner", "val.owner"))
        made["owner"] = reference(world.me, _name(world.me, world))
    made = noted(fitting(made), text_of(form, "note"), world)
    return [*extra, Write(applied(task, made, _now(world)), version)]


def _now(world: World) -> Any:
    return world.now.astimezone(world.zone)


def _reason(form: Form) -> dict[str, Any]:
    found = chosen(form, "reason", "cm-task-status-reason")
    words = text_of(form, "reason_text")
    if not found and not words:
        raise BadForm(Wrong("reason", "val.why"))
    return {**(found.concept() if found else {}), **({"text": words} if words else {})}


def _barrier(task: Resource, form: Form, key: str, world: World) -> tuple[str, list[Write]]:
    known, words = text_of(form, "barrier"), text_of(form, "new_barrier")
    if words:
        return f"Condition/{key}", [Write(_condition(task, words, key, world))]
    if known and known not in world.known:
        raise BadForm(Wrong("barrier", "val.choice"))
    return known, []


def _condition(task: Resource, words: str, key: str, world: World) -> Resource:
    """A barrier in the patient's record, of no particular domain since none was asked for."""
    category = codes.concept("cm-need-type", "barrier")
    domain = codes.concept("cm-need-domain", "other") or next(iter(codes.system("cm-need-domain").values()))
    made: Resource = {
        "resourceType": "Condition",
        "id": key,
        "meta": {"profile": [f"{PROFILES}need"]},
        **_NEED,
        "category": [
            {"coding": [_HEALTH_CONCERN]},
            {"coding": [category.coding() if category else {"system": NEED_TYPE, "code": "barrier"}]},
            {"coding": [domain.coding()]},
        ],
        "code": {"text": words},
        "subject": task.get("for"),
        "recordedDate": world.today.isoformat(),
        "recorder": reference(world.me, _name(world.me, world)) if world.me else None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _blocked_by(task: Resource, ref: str) -> Resource:
    if ref in extension_targets(task, BLOCKED_BY):
        return task
    extension = {"url": BLOCKED_BY, "valueReference": reference(ref)}
    return {**task, "extension": [*objects(task.get("extension")), extension]}


def _finished(task: Resource, outcome: codes.Concept | None, world: World) -> Resource:
    made = {**task, "executionPeriod": {**(child(task, "executionPeriod") or {}), "end": now_of(world)}}
    return with_output(made, "outcome", {"valueCodeableConcept": outcome.concept()}) if outcome else made


def with_output(task: Resource, kind: str, value: dict[str, Any]) -> Resource:
    """The task with one more output of a kind of cm-io-type; an outcome takes the place of an earlier one."""
    found = codes.concept("cm-io-type", kind)
    type_ = {"coding": [found.coding() if found else {"system": IO_TYPE, "code": kind}]}
    kept = [
        item for item in objects(task.get("output")) if kind != "outcome" or code(item.get("type"), IO_TYPE) != kind
    ]
    return {**task, "output": [*kept, {"type": type_, **value}]}


def fitting(task: Resource) -> Resource:
    """The task without a business status that does not go with its status (cm-x-32)."""
    found = BUSINESS.get(code(task.get("businessStatus"), BUSINESS_STATUS))
    if found and task.get("status") not in found[1]:
        return {name: value for name, value in task.items() if name != "businessStatus"}
    return task


def edited(task: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A task with what a form changes: ``title``, ``due``, ``owner``, ``priority``, ``note``; what it does not name
    stays. Raises BadForm."""
    made = dict(task)
    if "title" in form:
        title = text_of(form, "title")
        if not title:
            raise BadForm(Wrong("title", "val.title_needed"))
        made["code"] = _named(task, title, world)
    if "priority" in form:
        made["priority"] = text_of(form, "priority") or "routine"
    if "due" in form:
        made = _dated(made, form, world)
    if "owner" in form:
        made = _owned(made, text_of(form, "owner"), world)
    return [Write(applied(task, noted(made, text_of(form, "note"), world), _now(world)), version)]


def _named(task: Resource, title: str, world: World) -> Any:
    """The code of a task called ``title``; a name that was not touched keeps its translations, a new one has none."""
    if title == values(task, world)["title"]:
        return task.get("code") or {"text": title}
    return {**{name: item for name, item in (task.get("code") or {}).items() if name != "_text"}, "text": title}


def _dated(task: Resource, form: Form, world: World) -> Resource:
    day, before = day_of(form, "due", world), values(task, world)["due"]
    if day is None or day.isoformat() == before:
        return task
    restriction = dict(child(task, "restriction") or {})
    period = {**(restriction.get("period") or {}), "end": end_of(day, world.zone)}
    start = due.moment(period.get("start"), world.zone)
    if start is not None and start.date() > day:
        period.pop("start")
    return {**task, "restriction": {**restriction, "period": period}}


def _owned(task: Resource, owner: str, world: World) -> Resource:
    """The task given to somebody, or to nobody; one that changes hands is offered anew unless the taker is here."""
    if owner == target(task.get("owner")):
        return task
    made = {name: value for name, value in task.items() if name != "owner"}
    if owner and owner not in world.known:
        raise BadForm(Wrong("owner", "val.owner"))
    if owner:
        made["owner"] = reference(owner, _name(owner, world))
    if task.get("status") in ("requested", "ready", "received") and owner and owner == world.me:
        made["status"] = "accepted"
    return made


def _name(ref: str, world: World) -> str:
    return people.name_of(world.known.get(ref), world.known)


def new(form: Form, key: str, patient: str, plan: Resource, world: World) -> list[Write]:
    """A new task of a plan under the id ``key``. Raises BadForm for a title, kind or due date that is missing."""
    kind = codes.concept("cm-task-type", text_of(form, "kind"))
    title = text_of(form, "title") or (kind.display if kind else "")
    day = day_of(form, "due", world)
    wrong = [Wrong("kind", "val.kind")] if kind is None else []
    wrong += [Wrong("due", "val.due")] if day is None else []
    owner, goal = text_of(form, "owner"), text_of(form, "goal")
    if owner and owner not in world.known:
        wrong.append(Wrong("owner", "val.owner"))
    if goal and goal not in world.known:
        wrong.append(Wrong("goal", "val.choice"))
    if wrong or kind is None or day is None:
        raise BadForm(*wrong)
    made: Resource = {
        "resourceType": "Task",
        "id": key,
        "meta": {"profile": [f"{PROFILES}task"]},
        "extension": [{"url": PERTAINS_TO_GOAL, "valueReference": reference(goal)}] if goal else None,
        "basedOn": [reference(f"CarePlan/{plan['id']}")],
        "status": "accepted" if owner and owner == world.me else "requested",
        "intent": "order",
        "priority": text_of(form, "priority") or "routine",
        "code": {"coding": [kind.coding()], "text": title},
        "for": reference(f"Patient/{patient}"),
        "authoredOn": now_of(world),
        "lastModified": now_of(world),
        "requester": reference(world.me, _name(world.me, world)) if world.me else reference(f"Patient/{patient}"),
        "owner": reference(owner, _name(owner, world)) if owner else None,
        "performerType": None if owner else [_anybody()],
        "restriction": {"period": {"end": end_of(day, world.zone)}},
    }
    made = {name: value for name, value in made.items() if value is not None}
    return [Write(noted(made, text_of(form, "note"), world))]


def _anybody() -> dict[str, Any]:
    found = codes.concept("cm-care-team-role", "case-manager")
    return {"coding": [found.coding()]} if found else {"text": "Case manager"}


def staged(task: Resource, form: Form, version: str, world: World) -> list[Write]:
    """The task of a transition moved to another stage. Raises BadForm for what is no stage."""
    stage = codes.concept("cm-transition-stage", text_of(form, "stage"))
    if stage is None:
        raise BadForm(Wrong("stage", "val.stage"))
    made: Resource = {**task, "businessStatus": {"coding": [stage.coding()]}}
    return [Write(applied(task, noted(made, text_of(form, "note"), world), _now(world)), version)]


def acknowledged(task: Resource, world: World) -> list[Write]:
    """A change notice ticked off: completed by the viewer with the outcome acknowledged."""
    version = str(child(task, "meta", "versionId") or "")
    if str(task.get("status")) in TERMINAL:
        return []
    made = _finished({**task, "status": "completed"}, codes.concept("cm-task-outcome", "acknowledged"), world)
    if not made.get("owner") and world.me:
        made["owner"] = reference(world.me, _name(world.me, world))
    return [Write(applied(task, fitting(made), _now(world)), version)]


def need_resolved(condition: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A need or barrier that is over, with a note where one was typed."""
    resolved = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
    made: Resource = {
        **condition,
        "clinicalStatus": {"coding": [{**resolved, "display": "Resolved"}]},
        "abatementDateTime": world.today.isoformat(),
    }
    return [Write(noted(made, text_of(form, "note"), world), version)]
