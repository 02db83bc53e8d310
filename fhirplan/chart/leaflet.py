"""The plan on paper for the patient, in plain language: what matters, what I am doing, what comes next, who helps."""

from __future__ import annotations

from dataclasses import dataclass

from fhirplan.chart import goals, people, tasks, team
from fhirplan.chart.tasks import TaskRow
from fhirplan.chart.world import World, chosen
from fhirplan.coordination import due
from fhirplan.coordination.elements import child, objects, target, word
from fhirplan.fhir.codec import Resource

_OPEN_VISITS = frozenset({"booked", "pending", "arrived"})
_GOING_ON = frozenset({"proposed", "planned", "accepted", "active"})


@dataclass(frozen=True, slots=True)
class Aim:
    """One goal in the patient's terms: what, how they know that it works, by when, and how far it is."""

    what: str
    sign: str
    by: str
    last: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that comes next: when, what, who does it, and how to reach them."""

    when: str
    what: str
    who: str
    phone: str


@dataclass(frozen=True, slots=True)
class Leaflet:
    """The printed plan; ``call_if`` are the signs to call for, as recorded for this patient."""

    name: str
    date: str
    lead: str
    lead_phone: str
    matters: tuple[str, ...]
    aims: tuple[Aim, ...]
    steps: tuple[Step, ...]
    helped_by: tuple[tuple[str, str, str], ...]
    left_out: bool


def leaflet(patient: Resource, world: World, plan_id: str = "") -> Leaflet:
    """The leaflet of a patient's plan. What is labelled as restricted stays out of it."""
    plan = chosen(world, plan_id)
    lead = team.lead(plan, world)
    found = [item for item in due.tasks_of(plan["id"], list(world.known.values())) if due.is_work(item)] if plan else []
    open_ = [item for item in found if due.task_state(item, world.known, world.now, world.zone).open]
    kept = [item for item in open_ if not people.restricted(item)]
    goal_rows = [row for row in goals.goals(plan, world) if row.open]
    return Leaflet(
        name=people.human_name(patient.get("name")) or str(patient["id"]),
        date=world.words.long_date(world.today),
        lead=lead.name if lead else "",
        lead_phone=lead.phone if lead else "",
        matters=tuple(dict.fromkeys(row.quote for row in goal_rows if row.quote)),
        aims=tuple(Aim(row.title, row.target, row.due, row.last) for row in goal_rows),
        steps=(*_visits(world), *_steps(kept, world)),
        helped_by=_who_helps(plan, world),
        left_out=len(kept) < len(open_),
    )


def _steps(listed: list[Resource], world: World) -> tuple[Step, ...]:
    made = []
    for row in tasks.rows(listed, world):
        owner = world.known.get(target((world.known.get(f"Task/{row.id}") or {}).get("owner")))
        person = world.known.get(target((owner or {}).get("practitioner")))
        phone = people.phone(owner) or people.phone(person)
        made.append(Step(_when(row, world), row.title, row.owner if row.taken else "", phone))
    return tuple(made)


def _when(row: TaskRow, world: World) -> str:
    """When a step comes, as a patient is told: what is late is not held against them."""
    when = due.due_time(world.known[f"Task/{row.id}"], world.zone)
    if row.tone != "overdue" or when is None:
        return row.due
    return world.words("pr.soon", date=world.words.day(when.astimezone(world.zone).date(), world.today))


def _visits(world: World) -> tuple[Step, ...]:
    """The appointments that are still to come, the next one first."""
    found = []
    for item in world.of("Appointment"):
        at = due.moment(item.get("start"), world.zone)
        if at is not None and at >= world.now and word(item) in _OPEN_VISITS and not people.restricted(item):
            found.append((at, item))
    found.sort(key=lambda pair: (pair[0], str(pair[1]["id"])))
    return tuple(_visit(item, world.words.moment(at, world.now, world.zone), world) for at, item in found)


def _visit(item: Resource, when: str, world: World) -> Step:
    what = str(item.get("description") or "") or people.label((item.get("serviceType") or [None])[0], world.words)
    others = [entry.get("actor") for entry in objects(item.get("participant"))]
    who = [(people.refer(ref, world.known, world.words), target(ref)) for ref in objects(others)]
    named = next(((name, ref) for name, ref in who if not ref.startswith("Patient/")), ("", ""))
    return Step(when, what or world.words("type.Appointment"), named[0], people.phone(world.known.get(named[1])))


def _who_helps(plan: Resource | None, world: World) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (item.name, item.role, item.phone)
        for item in team.team(plan, world)
        if not item.ended and item.name and not item.ref.startswith("Patient/")
    )


def own_language(patient: Resource) -> str:
    """The language to print in: ``es`` where the patient's preferred language is Spanish, else ``en``."""
    listed = objects(patient.get("communication"))
    first = next((item for item in listed if item.get("preferred") is not False), {})
    tags = {str(item.get("code") or "")[:2] for item in objects(child(first, "language", "coding"))}
    return "es" if "es" in tags else "en"
