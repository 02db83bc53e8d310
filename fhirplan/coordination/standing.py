"""Judges whether a plan stands as it should: its lead, owners, dates, reviews, twins (cm-x-09, 10, 14, 15, 29, 31)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fhirplan.coordination.case import Case, Findings, is_active_plan, issue, program, task_type
from fhirplan.coordination.elements import (
    codes,
    current,
    is_open,
    local,
    moment,
    objects,
    patient_of,
    target,
    targets,
    word,
)
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE
from fhirplan.coordination.world import World, plan_tasks, plans_of
from fhirplan.fhir.codec import Resource

_REVIEWS: Final = frozenset({"review-plan", "goal-review", "close-case"})
_LEAD: Final = "case-manager"


def leads(world: World, plan: Resource, case: Case) -> Iterator[tuple[Resource, int, dict[str, Any]]]:
    """The current lead case managers of a plan's active teams: team, place in it, participant."""
    for team in teams(world, plan):
        for index, participant in enumerate(objects(team.get("participant"))):
            is_lead = _LEAD in codes(participant.get("role"), CARE_TEAM_ROLE)
            if word(team) == "active" and is_lead and current(participant.get("period"), case.now, case.zone):
                yield team, index, participant


def teams(world: World, plan: Resource) -> list[Resource]:
    """The care teams of a plan that are here or contained in it."""
    contained = {f"#{item.get('id')}": item for item in objects(plan.get("contained"))}
    inside = [contained.get(str(item.get("reference"))) for item in objects(plan.get("careTeam"))]
    stored = [world.get(ref) for ref in targets(plan.get("careTeam"))]
    return [item for item in [*inside, *stored] if item and item.get("resourceType") == "CareTeam"]


def has_lead(case: Case) -> Findings:
    """cm-x-09. Reads the plan's care teams. A team on another server is not checked."""
    plan = case.new
    if not is_active_plan(plan):
        return
    listed = objects(plan.get("careTeam"))
    checked = len(targets(listed)) + sum(str(item.get("reference") or "").startswith("#") for item in listed)
    if checked == len(listed) > 0 and not any(leads(case.world, plan, case)):
        yield issue(
            "error",
            "cm-x-09",
            "No care team of this plan is active with a lead case manager who is on it today. Name the new lead in the "
            "team first.",
            "CarePlan.careTeam",
        )


def owner_known(case: Case) -> Findings:
    """cm-x-10. Reads the task's plans, their teams, its focus, and the person behind a role."""
    task = case.new
    owner = target(task.get("owner"))
    if case.change.type != "Task" or not is_open(task) or not owner or owner == patient_of(task):
        return
    listed = [team for plan in plans_of(case.world, task) for team in teams(case.world, plan)]
    if not listed:
        return
    people = {owner, *_person(case.world, owner)}
    members = {
        ref
        for team in listed
        for participant in objects(team.get("participant"))
        for ref in targets(participant.get("member"))
    }
    if people & members:
        return
    members |= {person for ref in members for person in _person(case.world, ref)}
    request = case.world.get(target(task.get("focus")))
    performers = set(targets(request.get("performer"))) if request else set()
    is_service = owner.partition("/")[0] in ("Organization", "HealthcareService")
    if not people & members and not (is_service and owner in performers):
        yield issue(
            "warning",
            "cm-x-10",
            f"{owner} is not on the care team of the plan. Add them, or choose a member.",
            "Task.owner",
        )


def _person(world: World, ref: str) -> tuple[str, ...]:
    found = world.get(ref) if ref.startswith("PractitionerRole/") else None
    return targets(found.get("practitioner")) if found else ()


def over_time(case: Case) -> Findings:
    """cm-x-14."""
    if not is_active_plan(case.new):
        return
    end = moment((objects(case.new.get("period")) or [{}])[0].get("end"), case.zone)
    if end is not None and end < case.now:
        yield issue(
            "warning", "cm-x-14", "The plan is active after its end. Extend or complete it.", "CarePlan.period.end"
        )


def has_review(case: Case) -> Findings:
    """cm-x-15. Reads the plan's tasks."""
    if not is_active_plan(case.new):
        return
    tasks = plan_tasks(case.world, case.change.ref)
    if not any(task_type(task) in _REVIEWS and (is_open(task) or word(task) == "draft") for task in tasks):
        yield issue("warning", "cm-x-15", "No review of this plan is planned. Add a task for it.", "CarePlan")


def one_of_a_kind(case: Case) -> Findings:
    """cm-x-29. Reads the patient's plans."""
    if not is_active_plan(case.new):
        return
    for other in case.world.of_patient(patient_of(case.new), "CarePlan"):
        shared = program(other) & program(case.new)
        if local(other) != case.change.ref and is_active_plan(other) and shared:
            yield issue(
                "warning",
                "cm-x-29",
                f"{local(other)} is active for the same patient in the program {min(shared)} too. Keep one of them.",
                "CarePlan.category",
                "duplicate",
            )


def qualified(case: Case) -> Findings:
    """cm-x-31. Reads the plan's teams, or is given one; the role of the lead, and the practitioner behind it."""
    if is_active_plan(case.new):
        found = [(participant, "CarePlan.careTeam") for _, _, participant in leads(case.world, case.new, case)]
    elif case.change.type == "CareTeam" and word(case.new) == "active":
        found = [
            (participant, f"CareTeam.participant[{index}].member")
            for index, participant in enumerate(objects(case.new.get("participant")))
            if _LEAD in codes(participant.get("role"), CARE_TEAM_ROLE)
            and current(participant.get("period"), case.now, case.zone)
        ]
    else:
        return
    for participant, where in found:
        member = target(participant.get("member"))
        person = next(iter(_person(case.world, member)), member)
        practitioner = case.world.get(person) if person.startswith("Practitioner/") else None
        qualifications = objects(practitioner.get("qualification")) if practitioner else []
        if practitioner and not any(current(item.get("period"), case.now, case.zone) for item in qualifications):
            yield issue(
                "warning", "cm-x-31", f"{person}, the lead case manager, has no current qualification here.", where
            )
