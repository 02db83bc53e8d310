"""Takes back what was entered: an act undone while nobody has built on it, and what is wrong marked as a mistake.

No version is ever removed: what is taken back becomes a new version, by a move that the state machines have.
"""

from __future__ import annotations

from typing import Any, Final

from fhirplan.chart import calls, people
from fhirplan.chart.edits import BadForm, Form, Write, Wrong, noted, reference, text_of
from fhirplan.chart.goal_edits import measured
from fhirplan.chart.task_edits import fitting
from fhirplan.chart.world import World
from fhirplan.coordination.elements import child, code, contact_time, objects, target, word
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.vocabulary import INTERACTIVE, IO_TYPE
from fhirplan.fhir.codec import Resource

MISTAKE: Final = "entered-in-error"
_VERIFIED: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_MODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
_TOPIC: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-contact-topic"
# Where the move back is none of the machine's, the nearest state that is open again.
_NEAREST: Final = {"completed": "in-progress", "failed": "in-progress", "on-hold": "in-progress"}


def undone(current: Resource, before: Resource | None, world: World) -> Resource | None:
    """What a resource becomes when its newest change is taken back; None where no legal move leads there.

    ``before`` is the version before that change, None for what the change made: that becomes a mistake.
    """
    if before is None:
        return mistaken(current)
    machine = MACHINES.get(str(current["resourceType"]))
    back = {**before, "meta": current.get("meta")}
    if machine is not None and word(before, machine.element) != word(current, machine.element):
        steps, was = machine.table.get(word(current, machine.element), {}), word(before, machine.element)
        to = was if was in steps else _NEAREST.get(word(current, machine.element), "")
        if to not in steps:
            return None
        back[machine.element] = to
    return applied(current, fitting(back) if current["resourceType"] == "Task" else back, _now(world))


def _now(world: World) -> Any:
    return world.now.astimezone(world.zone)


def mistaken(resource: Resource) -> Resource | None:
    """A resource marked as entered in error; None for one that cannot be."""
    kind = str(resource["resourceType"])
    if kind == "Condition":
        # con-5: no clinical status is left where a condition was entered in error.
        made = {name: value for name, value in resource.items() if name != "clinicalStatus"}
        return {**made, "verificationStatus": {"coding": [{"system": _VERIFIED, "code": MISTAKE}]}}
    machine = MACHINES.get(kind)
    element = machine.element if machine else "status"
    if machine is not None and MISTAKE not in machine.table.get(word(resource, element), {}):
        return None
    if machine is None and kind not in ("Observation", "RiskAssessment"):
        return None
    return {**resource, element: MISTAKE}


def _why(form: Form) -> str:
    reason = text_of(form, "why")
    if not reason:
        raise BadForm(Wrong("why", "val.why_mistake"))
    return reason


def task_mistaken(task: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A task that should never have been entered, with why. Raises BadForm without that."""
    made = mistaken(task)
    if made is None:
        raise BadForm(Wrong("why", "val.gone"))
    return [Write(applied(task, noted(made, _why(form), world), _now(world)), version)]


def task_reopened(task: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A task that was not done after all: under way again, without what its end said. Raises BadForm."""
    made = {**task, "status": "in-progress", "executionPeriod": _begun(task)}
    kept = [item for item in objects(task.get("output")) if code(item.get("type"), IO_TYPE) != "outcome"]
    made = {name: value for name, value in {**made, "output": kept or None}.items() if value is not None}
    made.pop("statusReason", None)
    return [Write(applied(task, noted(fitting(made), _why(form), world), _now(world)), version)]


def _begun(task: Resource) -> dict[str, Any] | None:
    period = child(task, "executionPeriod")
    found = {name: value for name, value in (period or {}).items() if name != "end"}
    return found or None


def call_values(call: Resource, world: World) -> dict[str, str]:
    """What the form that corrects a call begins with: what was documented."""
    at = str(contact_time(call) or "")
    said = [str(item.get("contentString") or "") for item in objects(call.get("payload"))]
    said += [str(item.get("text") or "") for item in objects(call.get("note"))]
    medium = next((code(item, _MODE) for item in objects(call.get("medium"))), "")
    return {
        "how": people.contact_outcome(call),
        "said": "\n".join(text for text in said if text),
        "when": at[:16],
        "minutes": people.minutes(call),
        "medium": medium if medium in calls.MEDIA else "",
        "recipient": next((target(item) for item in objects(call.get("recipient"))), ""),
        "sender": target(call.get("sender")) or world.me,
        "topic": code(call.get("topic"), _TOPIC),
    }


def call_mistaken(call: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A contact that never was, with why; a task that it had completed is under way again. Raises BadForm."""
    made = mistaken(call)
    if made is None:
        raise BadForm(Wrong("why", "val.gone"))
    why = _why(form)
    return [Write(noted(made, why, world), version), *_reopened(call, form, world)]


def call_corrected(
    call: Resource, form: Form, key: str, version: str, patient: str, plan: Resource | None, world: World
) -> list[Write]:
    """A contact as it really was, under the id ``key``, and the wrong one marked as a mistake. Raises BadForm.

    A task that the wrong one had completed stays so where this one reached somebody too; else it is under way again.
    """
    wrong = mistaken(call)
    if wrong is None:
        raise BadForm(Wrong("how", "val.gone"))
    task = _task_of(call, world)
    [made] = calls.documented({**form, "next": "keep"}, key, patient, plan, task, world)
    right: Resource = {**made.resource, **{name: call[name] for name in ("basedOn", "category") if name in call}}
    writes = [Write(wrong, version), Write(right)]
    if task is None or word(task) != "completed" or not _is_result(call, task):
        return writes
    if people.contact_outcome(made.resource) not in INTERACTIVE:
        return [*writes, *_reopened(call, {**form, "why": world.words("fix.by_call")}, world)]
    pointed = [
        {**item, "valueReference": reference(f"Communication/{key}")}
        if target(item.get("valueReference")) == f"Communication/{call['id']}"
        else item
        for item in objects(task.get("output"))
    ]
    changed = applied(task, {**task, "output": pointed}, _now(world))
    return [*writes, Write(changed, str(child(task, "meta", "versionId") or ""))]


def _task_of(call: Resource, world: World) -> Resource | None:
    named = (target(item) for item in objects(call.get("basedOn")))
    return next((world.known[ref] for ref in named if ref.startswith("Task/") and ref in world.known), None)


def _is_result(call: Resource, task: Resource) -> bool:
    ref = f"Communication/{call['id']}"
    return any(target(item.get("valueReference")) == ref for item in objects(task.get("output")))


def _reopened(call: Resource, form: Form, world: World) -> list[Write]:
    """The task that a contact had completed, under way again and without that contact as its result."""
    task = _task_of(call, world)
    if task is None or word(task) != "completed" or not _is_result(call, task):
        return []
    kept = [
        item
        for item in objects(task.get("output"))
        if target(item.get("valueReference")) != f"Communication/{call['id']}"
    ]
    bare = {name: value for name, value in {**task, "output": kept or None}.items() if value is not None}
    return task_reopened(bare, form, str(child(task, "meta", "versionId") or ""), world)


def reading_corrected(
    observation: Resource, goal: Resource, form: Form, key: str, version: str, patient: str, world: World
) -> list[Write]:
    """A measurement marked as a mistake, and the right one under the id ``key`` where a value is given.

    Raises BadForm for a value that is no number, or neither a value nor a reason.
    """
    wrong = mistaken(observation)
    if wrong is None:
        raise BadForm(Wrong("value", "val.gone"))
    if not text_of(form, "value"):
        return [Write(noted(wrong, _why(form), world), version)]
    own = next((str(item.get("code")) for item in objects(child(observation, "code", "coding"))), "")
    when = text_of(form, "when") or str(observation.get("effectiveDateTime") or "")
    [made] = measured(goal, {**form, "measure": own, "when": when}, key, patient, world)
    return [Write(noted(wrong, text_of(form, "why"), world), version), made]
