"""Judges contacts, follow-up after a stay, goals and business statuses (cm-x-17, 18, 24, 26 to 28, 32)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination import transitions
from fhirplan.coordination.case import Case, Findings, is_active_plan, issue, task_type
from fhirplan.coordination.due import due_time
from fhirplan.coordination.elements import (
    child,
    code,
    contact_outcome,
    is_open,
    local,
    moment,
    objects,
    patient_of,
    targets,
    word,
)
from fhirplan.coordination.progress import attempts, contacts
from fhirplan.coordination.vocabulary import (
    BUSINESS,
    BUSINESS_STATUS,
    GOAL_ACHIEVEMENT,
    INTERACTIVE,
    IO_TYPE,
)
from fhirplan.coordination.world import World, plan_tasks
from fhirplan.fhir.codec import Resource

_CONTACT_TASKS: Final = frozenset({"post-discharge-call", "contact-patient"})
_AFTER_DEATH: Final = frozenset({"close-case", "connect-community-resource"})
TRIES: Final = 3


def follow_up(case: Case) -> Findings:
    """cm-x-17 and cm-x-18. Reads the patient's plans and the tasks and risk assessments of the active ones."""
    if case.change.type != "Encounter" or word(case.new) != "finished":
        return
    where = "Encounter.hospitalization.dischargeDisposition"
    for plan in case.world.of_patient(patient_of(case.new), "CarePlan"):
        risk = transitions.risk_of(case.world, plan, case.zone)
        found = transitions.discharge(case.new, plan, risk, case.zone, case.holidays)
        if not is_active_plan(plan) or found is None or case.now - transitions.WINDOW > found.at:
            continue
        tasks = plan_tasks(case.world, local(plan))
        for kind, by, rule in (
            (transitions.CALL, found.call_by, "cm-x-17"),
            (transitions.VISIT, found.visit_by, "cm-x-18"),
        ):
            task = transitions.follow_up(tasks, kind, found, case.zone)
            if task is None or (due_time(task, case.zone) or by) > by:
                yield issue(
                    "warning",
                    rule,
                    f"The patient went home, and {local(plan)} has no {kind} task due by {by.isoformat()}. Add one.",
                    where,
                )


def after_death(case: Case) -> Findings:
    """cm-x-24. Reads the patient's tasks and the goals of the patient's plans."""
    if case.change.type == "Patient":
        if not deceased(case.new) or deceased(case.change.before):
            return
        plans = case.world.of_patient(case.change.ref, "CarePlan")
        goals = dict.fromkeys(ref for plan in plans for ref in targets(plan.get("goal")))
        for task in case.world.of_patient(case.change.ref, "Task"):
            if is_open(task) and task_type(task) not in _AFTER_DEATH:
                yield issue("warning", "cm-x-24", f"{local(task)} is still {word(task)}.", "Patient.deceased")
        for goal in filter(None, map(case.world.get, goals)):
            if word(goal, "lifecycleStatus") == "active":
                yield issue("warning", "cm-x-24", f"{local(goal)} is still active.", "Patient.deceased")
        return
    pursued = (case.change.type == "Task" and is_open(case.new) and task_type(case.new) not in _AFTER_DEATH) or (
        case.change.type == "Goal" and word(case.new, "lifecycleStatus") == "active"
    )
    if pursued and deceased(case.world.get(patient_of(case.new))):
        element = "status" if case.change.type == "Task" else "lifecycleStatus"
        yield issue("warning", "cm-x-24", "The patient has died.", f"{case.change.type}.{element}")


def deceased(patient: Resource | None) -> bool:
    """Whether a Patient is known to have died."""
    return patient is not None and (patient.get("deceasedBoolean") is True or bool(patient.get("deceasedDateTime")))


def unreached(communications: Iterable[Resource], zone: ZoneInfo) -> int:
    """How many attempts have failed since somebody was last spoken to."""
    listed = list(communications)
    spoken = contacts(listed, zone)
    return sum(not spoken or item.at > spoken[-1].at for item in attempts(listed, zone))


def third_attempt(case: Case) -> Findings:
    """cm-x-26. Reads the communications based on the same task."""
    if case.change.type != "Communication" or contact_outcome(case.new) & INTERACTIVE:
        return
    for ref in targets(case.new.get("basedOn")):
        if not ref.startswith("Task/"):
            continue
        count = unreached(case.world.points("Communication", "basedOn", ref), case.zone)
        if count >= TRIES:
            yield issue(
                "warning",
                "cm-x-26",
                f"{count} attempts for {ref} have reached nobody. Try another way, or end the task as unable to reach.",
                "Communication.basedOn",
            )


def goal_attainable(case: Case) -> Findings:
    """cm-x-27. Reads the goal's outcome observations."""
    goal = case.new
    if case.change.type != "Goal" or word(goal, "lifecycleStatus") != "active":
        return
    if code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT) == "not-attainable":
        yield issue(
            "warning",
            "cm-x-27",
            "The goal is active though it cannot be attained. Close or change it.",
            "Goal.achievementStatus",
        )
    measures = {key for item in objects(goal.get("target")) for key in _codings(item.get("measure"))}
    newest = _newest(case.world, targets(goal.get("outcomeReference")), case.zone)
    if measures and newest is not None and not measures & set(_codings(newest.get("code"))):
        yield issue(
            "warning",
            "cm-x-27",
            f"{local(newest)}, the newest outcome, measures something else than the goal's targets.",
            "Goal.outcomeReference",
        )


def _codings(concept: object) -> list[tuple[str, str]]:
    return [(str(item.get("system") or ""), str(item.get("code") or "")) for item in objects(child(concept, "coding"))]


def _newest(world: World, refs: Iterable[str], zone: ZoneInfo) -> Resource | None:
    dated = [
        (at, ref, found)
        for ref in refs
        if (found := world.get(ref)) is not None
        and (at := moment(found.get("effectiveDateTime") or child(found, "effectivePeriod", "end"), zone)) is not None
    ]
    return max(dated, key=lambda item: item[:2])[2] if dated else None


def really_reached(case: Case) -> Findings:
    """cm-x-28. Reads what the task led to, and the communications based on it."""
    if case.change.type != "Task" or not case.change.became("status", "completed"):
        return
    if task_type(case.new) not in _CONTACT_TASKS:
        return
    results = [
        case.world.get(ref)
        for item in objects(case.new.get("output"))
        if code(item.get("type"), IO_TYPE) == "resulting-activity"
        for ref in targets(item.get("valueReference"))
    ]
    based = case.world.points("Communication", "basedOn", case.change.ref)
    if not any(
        item and word(item) == "completed" and contact_outcome(item) & INTERACTIVE for item in [*results, *based]
    ):
        yield issue(
            "error",
            "cm-x-28",
            "No contact that reached somebody is documented for this task. Document it first; if nobody was reached, "
            "leave the task open or end it as failed.",
            "Task.output",
        )


def business_status(case: Case) -> Findings:
    """cm-x-32."""
    if case.change.type != "Task":
        return
    found = code(case.new.get("businessStatus"), BUSINESS_STATUS)
    if found in BUSINESS and word(case.new) not in BUSINESS[found][1]:
        yield issue(
            "error",
            "cm-x-32",
            f"The business status {found} does not go with a task that is {word(case.new)}. It goes with: "
            f"{', '.join(sorted(BUSINESS[found][1]))}.",
            "Task.businessStatus",
        )
