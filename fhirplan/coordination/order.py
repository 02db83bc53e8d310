"""What applying a template asks for, and the plan and care team that it makes or adds to (guide section 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.elements import child, codes, local, objects, targets, texts
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE, PLAN_CATEGORY, PROGRAM
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource

PROFILES: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-"
_ASSESS_PLAN: Final = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
    "code": "assess-plan",
    "display": "Assessment and Plan of Treatment",
}
_CASE_MANAGEMENT: Final = {"system": PLAN_CATEGORY, "code": "case-management", "display": "Case management plan"}
_LEAD: Final = {"system": CARE_TEAM_ROLE, "code": "case-manager", "display": "Lead case manager"}
Applies = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: a template applied for a patient at ``now``, led by ``lead``, by the anchors that are known.

    ``anchors`` maps names such as ``discharge`` to moments. ``plan`` is a stored plan to add to, else a new one is
    made; ``team`` the care team whose members own the tasks of their role, else a new one with the lead alone.
    ``left_out`` are the ids of actions that are not wanted, ``owners`` says by their ids who is to do some of them
    ("" for nobody yet), ``applies`` tells of an action with conditions whether they hold for the patient.
    """

    definition: Resource
    patient: str
    lead: str
    anchors: Mapping[str, datetime]
    now: datetime
    zone: ZoneInfo
    plan: Resource | None = None
    team: Resource | None = None
    encounter: str = ""
    left_out: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    holidays: Set[date] = frozenset()
    applies: Applies | None = None

    @property
    def canonical(self) -> str:
        """``url|version`` of the template."""
        version = self.definition.get("version")
        return f"{self.definition.get('url')}|{version}" if version else str(self.definition.get("url"))


def team_of(order: Order, world: World) -> Resource | None:
    """The care team that was given, or the first of the plan that is here."""
    stored = (world.get(ref) for ref in targets(child(order.plan, "careTeam")))
    return order.team or next((item for item in stored if item), None)


def new_team(order: Order, id_: str) -> Resource:
    """A care team of the lead and the patient."""
    day = order.now.astimezone(order.zone).date().isoformat()
    return {
        "resourceType": "CareTeam",
        "id": id_,
        "meta": {"profile": [f"{PROFILES}careteam"]},
        "status": "active",
        "name": f"Care team: {order.definition.get('title') or order.definition.get('name')}",
        "subject": {"reference": order.patient},
        "period": {"start": day},
        "participant": [
            {"role": [{"coding": [_LEAD]}], "member": {"reference": order.lead}, "period": {"start": day}},
            {
                "role": [{"coding": [{"system": CARE_TEAM_ROLE, "code": "patient", "display": "Patient"}]}],
                "member": {"reference": order.patient},
            },
        ],
    }


def plan_with(order: Order, plan_id: str, team: Resource, goals: list[str], tasks: list[str]) -> Resource:
    """The plan with what is new in it: of a stored plan nothing is taken away or changed otherwise."""
    made = dict(order.plan) if order.plan else _new_plan(order, plan_id)
    for element, refs in (("goal", goals), ("careTeam", [local(team)])):
        listed = objects(made.get(element))
        if element == "goal" or not listed:
            made[element] = listed + [{"reference": ref} for ref in refs if ref not in targets(listed)]
    canonicals = made.get("instantiatesCanonical") or []
    if order.canonical not in canonicals:
        made["instantiatesCanonical"] = [*canonicals, order.canonical]
    activities = objects(made.get("activity")) + [{"reference": {"reference": ref}} for ref in tasks]
    made["activity"] = activities
    return {key: item for key, item in made.items() if item != []}


def _new_plan(order: Order, plan_id: str) -> Resource:
    title = str(order.definition.get("title") or order.definition.get("name"))
    contexts = [item.get("valueCodeableConcept") for item in objects(order.definition.get("useContext"))]
    programs = [item for item in objects(contexts) if codes(item, PROGRAM)]
    written = order.now.astimezone(order.zone).isoformat(timespec="seconds")
    made: Resource = {
        "resourceType": "CarePlan",
        "id": plan_id,
        "meta": {"profile": [f"{PROFILES}careplan"]},
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(title, quote=False)}</div>',
        },
        "instantiatesCanonical": [order.canonical],
        "status": "draft",
        "intent": "plan",
        "category": [{"coding": [_ASSESS_PLAN]}, {"coding": [_CASE_MANAGEMENT]}, *programs],
        **(texts(order.definition, title="title") or {"title": title}),
        "subject": {"reference": order.patient},
        "period": {"start": written},
        "created": written,
        "author": {"reference": order.lead},
    }
    if order.encounter:
        made["encounter"] = {"reference": order.encounter}
    return made
