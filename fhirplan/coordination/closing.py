"""Judges what ends while something still depends on it (cm-x-03, 06 to 08, 20 to 22)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fhirplan.coordination.case import Case, Findings, is_case_management, issue
from fhirplan.coordination.elements import (
    child,
    codes,
    extension_targets,
    is_open,
    local,
    moment,
    patient_of,
    target,
    targets,
    word,
)
from fhirplan.coordination.vocabulary import GRAVE, NOT_STARTED, PERTAINS_TO_GOAL, TASK_CODE, TERMINAL
from fhirplan.coordination.world import plan_tasks
from fhirplan.fhir.codec import Resource

_OPEN_LOOP: Final = timedelta(hours=24)


def plan_revoked(case: Case) -> Findings:
    """cm-x-03: what the revoked or mistaken plan leaves behind. Reads the plan's tasks."""
    revoked, mistaken = (case.change.became("status", to) for to in ("revoked", "entered-in-error"))
    if case.change.type != "CarePlan" or not (revoked or mistaken):
        return
    for task in plan_tasks(case.world, case.change.ref):
        left = is_open(task) and (mistaken or word(task) not in NOT_STARTED)
        if left:
            yield issue(
                "warning",
                "cm-x-03",
                f"{local(task)} is still {word(task)}. Decide what becomes of it.",
                "CarePlan.status",
            )


def closed_loop(case: Case) -> Findings:
    """cm-x-06. Reads a fulfilling task's focus, or the tasks that fulfill a request."""
    if case.change.became("status", "completed") and fulfills(case.new):
        request = case.world.get(target(case.new.get("focus")))
        if request and request["resourceType"] == "ServiceRequest" and word(request) == "active":
            yield issue(
                "warning",
                "cm-x-06",
                f"The task is completed while {local(request)} is still active. Complete the request too, or give it "
                "another task.",
                "Task.focus",
            )
    if case.change.type == "ServiceRequest" and case.change.became("status", "completed", "revoked"):
        for task in case.world.points("Task", "focus", case.change.ref):
            if is_open(task):
                yield issue(
                    "warning",
                    "cm-x-06",
                    f"{local(task)}, which fulfills this request, is still {word(task)}.",
                    "ServiceRequest.status",
                )


def fulfills(task: Resource) -> bool:
    """Whether a task fulfills the request in its focus."""
    return task.get("resourceType") == "Task" and (
        "fulfill" in codes(task.get("code"), TASK_CODE) or target(task.get("focus")).startswith("ServiceRequest/")
    )


def goal_ended(case: Case) -> Findings:
    """cm-x-07. Reads the tasks of the goal's patient."""
    if case.change.type != "Goal" or not case.change.became("lifecycleStatus", "completed", "cancelled", "rejected"):
        return
    for task in case.world.of_patient(patient_of(case.new), "Task"):
        if is_open(task) and set(extension_targets(task, PERTAINS_TO_GOAL)) == {case.change.ref}:
            yield issue(
                "warning", "cm-x-07", f"{local(task)} is open and serves only this goal.", "Goal.lifecycleStatus"
            )


def plan_completed(case: Case) -> Findings:
    """cm-x-08. Reads the plan's tasks, the behavior of their template actions, and the plan's goals."""
    plan = case.new
    if case.change.type != "CarePlan" or not case.change.became("status", "completed") or not is_case_management(plan):
        return
    for task in plan_tasks(case.world, case.change.ref):
        if not is_open(task):
            continue
        behavior = case.world.behavior(str(task.get("instantiatesUri") or ""))
        demanded = behavior == "must" or (not behavior and word(task, "priority") in GRAVE)
        yield issue(
            "error" if demanded else "warning",
            "cm-x-08",
            f"{local(task)} is still {word(task)}. "
            + ("Finish or cancel it before the plan is completed." if demanded else "Check that nobody waits for it."),
            "CarePlan.status",
        )
    for ref in targets(plan.get("goal")):
        goal = case.world.get(ref)
        if goal and word(goal, "lifecycleStatus") == "active":
            yield issue("warning", "cm-x-08", f"{ref} is still active. Complete or cancel it.", "CarePlan.goal")


def child_open(case: Case) -> Findings:
    """cm-x-21, from both sides. Reads a task's children or its parents."""
    task = case.new
    if case.change.type != "Task":
        return
    if case.change.became("status", "completed"):
        for part in case.world.points("Task", "partOf", case.change.ref):
            if is_open(part):
                yield issue(
                    "error",
                    "cm-x-21",
                    f"{local(part)}, a part of this task, is still {word(part)}. Finish or cancel it first.",
                    "Task.status",
                )
                return
    before = case.change.before
    newly = before is None or not is_open(before) or before.get("partOf") != task.get("partOf")
    if not (is_open(task) and newly):
        return
    for ref in targets(task.get("partOf")):
        parent = case.world.get(ref)
        if parent and word(parent) == "completed":
            yield issue(
                "error", "cm-x-21", f"This is open, but {ref}, of which it is a part, is completed.", "Task.partOf"
            )


def parent_ended(case: Case) -> Findings:
    """cm-x-22: children that were begun stay, each with a warning. Reads a task's children."""
    if case.change.type != "Task" or not case.change.became("status", "cancelled", "failed"):
        return
    for part in case.world.points("Task", "partOf", case.change.ref):
        if word(part) not in TERMINAL | NOT_STARTED:
            yield issue(
                "warning", "cm-x-22", f"{local(part)}, a part of this task, is still {word(part)}.", "Task.status"
            )


def open_loop(case: Case) -> Findings:
    """cm-x-20. Reads the tasks that fulfill a request."""
    if case.change.type != "ServiceRequest" or word(case.new) != "active":
        return
    tasks = case.world.points("Task", "focus", case.change.ref)
    if any(is_open(task) or word(task) in ("completed", "draft") for task in tasks):
        return
    dated = [at for task in tasks if (at := moment(child(task, "lastModified"), case.zone)) is not None]
    if not dated or max(dated) < case.now - _OPEN_LOOP:
        yield issue(
            "warning",
            "cm-x-20",
            "Nobody is arranging this request: it has no open or completed task. Make one.",
            "ServiceRequest.status",
        )
