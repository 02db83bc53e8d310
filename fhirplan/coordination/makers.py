"""Says whether a person may make a move of a Task, as the table of its machine tells (guide section 4.2).

Whoever has a task moves it, whoever asked for it may offer, cancel or take it back, and the lead case manager of its
plan may do either, since not everybody who has a task can write here. Taking a task over is a move of its new owner.
"""

from __future__ import annotations

from typing import Final

from fhirplan.coordination.elements import child, codes, objects, target, targets, word
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE
from fhirplan.coordination.world import Change, World
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource

RULE: Final = "cm-sm-task-who"
_LEAD: Final = "case-manager"
_REQUESTERS: Final = frozenset({"draft", "requested", "ready", "cancelled", "entered-in-error"})
_OWNERS_NOT: Final = frozenset({"draft", "requested"})


def may_make(change: Change, person: str, world: World) -> tuple[Issue, ...]:
    """What stands against a person (``Practitioner/x``) making the move that a change of a Task is; nothing for others.

    Reads the roles of its owner and requester, and the teams of its plans. A first version is no move.
    """
    old, new = change.before, change.after
    if old is None or new is None or change.type != "Task" or word(old) == word(new):
        return ()
    to, allowed = word(new), set[str]()
    if to in _REQUESTERS:
        allowed.add(target(old.get("requester")))
    if to not in _OWNERS_NOT:
        allowed |= {target(old.get("owner")), target(new.get("owner"))}
    if any(stands_for(ref, person, world) for ref in allowed if ref):
        return ()
    if any(_leads(plan, person, world) for plan in _plans(old, world)):
        return ()
    maker = MACHINES["Task"].maker(to)
    who = child(old, "owner", "display") or target(old.get("owner")) or "nobody"
    text = (
        f"This task is {who}'s. To make it {to} is for {maker} or the lead case manager of its plan, and {person} is "
        "neither. Take the task over first (owner), or ask them."
    )
    return (Issue("error", "forbidden", text, "Task.status", RULE),)


def stands_for(ref: str, person: str, world: World) -> bool:
    """Whether a person is who a reference names, or acts for it: in that role, or for that organization or team."""
    if ref == person:
        return True
    kind = ref.partition("/")[0]
    if kind == "PractitionerRole":
        return _person(ref, world) in (person, _person(person, world))
    if kind == "CareTeam":
        members = [target(item.get("member")) for item in objects(child(world.get(ref), "participant"))]
        return any(not ref.startswith("CareTeam/") and stands_for(ref, person, world) for ref in members)
    if kind in ("Organization", "HealthcareService"):
        return target(child(world.get(person), "organization")) == ref
    return False


def _person(ref: str, world: World) -> str:
    """The person behind a role, else the reference itself."""
    return target(child(world.get(ref), "practitioner")) or ref


def _plans(task: Resource, world: World) -> list[Resource]:
    """The plans that a task belongs to, directly or through a request or the task it is part of."""
    found, waiting, seen = [], [*targets(task.get("basedOn")), *targets(task.get("partOf"))], set[str]()
    while waiting:
        ref = waiting.pop()
        item = world.get(ref) if ref not in seen else None
        seen.add(ref)
        if item is None:
            continue
        if item["resourceType"] == "CarePlan":
            found.append(item)
        elif item["resourceType"] in ("ServiceRequest", "Task"):
            waiting += [*targets(item.get("basedOn")), *targets(item.get("partOf"))]
    return found


def _leads(plan: Resource, person: str, world: World) -> bool:
    """Whether a person is a case manager on an active team of a plan."""
    return any(
        stands_for(target(item.get("member")), person, world)
        for team in (world.get(ref) for ref in targets(plan.get("careTeam")))
        if team is not None and word(team) == "active"
        for item in objects(team.get("participant"))
        if _LEAD in codes(item.get("role"), CARE_TEAM_ROLE)
    )
