"""Who cares for the patient: each member's role, how to reach them, and whom a task can be given to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhirplan.chart import people
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.elements import code, current, objects, target, targets
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE
from fhirplan.fhir.codec import Resource


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the team; ``ended`` when they are on it no more, ``ref`` is "" when they are not here."""

    role: str
    name: str
    phone: str
    lead: bool
    until: str
    organization: str = ""
    since: str = ""
    ended: bool = False
    ref: str = ""


def teams(plan: Resource | None, world: World) -> list[Resource]:
    """The care teams of a plan that are here, without a plan those of the patient."""
    named = set(targets((plan or {}).get("careTeam")))
    return [item for item in world.of("CareTeam") if f"CareTeam/{item['id']}" in named or not plan]


def team(plan: Resource | None, world: World) -> tuple[Member, ...]:
    """The members: the lead first, those who have left last."""
    members = [_member(item, world) for found in teams(plan, world) for item in objects(found.get("participant"))]
    return tuple(sorted(members, key=lambda item: (item.ended, bool(item.until), not item.lead)))


def _member(participant: dict[str, Any], world: World) -> Member:
    role = next(iter(objects(participant.get("role"))), None)
    member = participant.get("member")
    ref = target(member)
    found = world.known.get(ref)
    person = world.known.get(target((found or {}).get("practitioner")))
    period = participant.get("period") or {}
    end = due.moment(period.get("end"), world.zone)
    return Member(
        role=people.label(role, world.words),
        name=people.refer(member, world.known, world.words),
        phone=people.phone(found) or people.phone(person),
        lead=code(role, CARE_TEAM_ROLE) == "case-manager",
        until=world.words("team.until", date=world.words.moment(end, world.now, world.zone)) if end else "",
        organization=people.refer((found or {}).get("organization"), world.known, world.words),
        since=world.day(period.get("start")),
        ended=not current(period, world.now, world.zone),
        ref=ref,
    )


def lead(plan: Resource | None, world: World) -> Member | None:
    """The lead case manager, or None when no team names one who is here now."""
    return next((item for item in team(plan, world) if item.lead and not item.ended), None)


def candidates(plan: Resource | None, world: World) -> list[tuple[str, str]]:
    """Whom a task can be given to: reference and name, each once, the lead first, never the patient."""
    found: dict[str, str] = {}
    for item in team(plan, world):
        if item.ref and not item.ended and not item.ref.startswith(("Patient/", "RelatedPerson/")):
            found.setdefault(item.ref, f"{item.name} ({item.role})" if item.role else item.name)
    for request in world.of("ServiceRequest"):
        for ref in targets(request.get("performer")):
            if ref.startswith("Organization/"):
                found.setdefault(ref, people.name_of(world.known.get(ref), world.known, world.words) or ref)
    return list(found.items())


def acting_as(actor: str, plan: Resource | None, world: World) -> str:
    """The reference that a viewer writes as: their own where the audit's name of them is one, else the plan's lead."""
    if actor.partition("/")[0] in ("Practitioner", "PractitionerRole") and "/" in actor:
        roles = [item for item in team(plan, world) if item.ref == actor or actor in _person(item.ref, world)]
        return roles[0].ref if roles else actor
    found = lead(plan, world)
    author = target((plan or {}).get("author"))
    return (
        found.ref
        if found and found.ref
        else author
        if author.startswith(("Practitioner/", "PractitionerRole/"))
        else ""
    )


def _person(ref: str, world: World) -> tuple[str, ...]:
    return targets((world.known.get(ref) or {}).get("practitioner"))
