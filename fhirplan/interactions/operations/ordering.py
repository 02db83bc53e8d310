"""Finds in the record what applying a template begins with: the plan to add to, its team and leader, the moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fhirplan.coordination.case import is_active_plan, is_case_management
from fhirplan.coordination.elements import beginning, child, codes, current, local, moment, objects, target, word
from fhirplan.coordination.order import Order
from fhirplan.coordination.transitions import is_stay
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE
from fhirplan.coordination.world import World
from fhirplan.errors import InvalidResource, NotFound
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.path import Context, NotEvaluable
from fhirplan.fhir.path import compile as compiled
from fhirplan.interactions.operations.given import Given
from fhirplan.interactions.services import Services

_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})


_LEAD: Final = "case-manager"


def order_of(services: Services, record: World, given: Given, definition: Resource) -> Order:
    """What a template is to be applied to, and how, as the record stands; raises NotFound, InvalidResource."""
    rules = services.rules
    now = rules.local(services.clock())
    patient = record.get(given.patient)
    if patient is None:
        raise NotFound(f"There is no {given.patient} here.")
    plan = _plan(record, given, definition)
    team = _known(record, given.team) if given.team else _team(record, given.patient, now) if plan is None else None
    stay = _known(record, given.encounter) if given.encounter else _newest_stay(record, given.patient, rules.zone)
    lead = given.lead or _lead(plan, team, now)
    if not lead or record.get(lead) is None:
        raise InvalidResource(
            "Nobody leads yet. Name who does as practitioner, such as PractitionerRole/[id]."
            if not lead
            else f"There is no {lead} here.",
            expression="practitioner",
        )
    return Order(
        definition=definition,
        patient=given.patient,
        lead=lead,
        anchors=_anchors(given, definition, stay, now, rules.zone),
        now=now,
        zone=rules.zone,
        plan=plan,
        team=team,
        encounter=local(stay) if stay is not None else "",
        left_out=given.left_out,
        owners=_owners(record, given, definition),
        holidays=rules.holidays,
        applies=lambda action: _applies(action, patient),
    )


def _owners(record: World, given: Given, definition: Resource) -> dict[str, str]:
    """Who is to do which action; raises InvalidResource for an action that the template lacks or nobody we know."""
    actions = {str(item.get("id")) for item in objects(definition.get("action")) if "trigger" not in item}
    for action, ref in given.owners:
        if action not in actions:
            raise InvalidResource(f"The template has no action {action[:40]!r}.", expression="owner")
        if ref and record.get(ref) is None:
            raise InvalidResource(f"There is no {ref} here.", expression="owner")
    return dict(given.owners)


def _known(record: World, ref: str) -> Resource:
    found = record.get(ref)
    if found is None:
        raise NotFound(f"There is no {ref} here.")
    return found


def _plan(record: World, given: Given, definition: Resource) -> Resource | None:
    """The plan to add to: the one that is named, or the one in which this template was applied before."""
    if given.plan:
        found = _known(record, given.plan)
        if target(found.get("subject")) != given.patient:
            raise InvalidResource(f"{given.plan} is not a plan of {given.patient}.", expression="plan")
        return found
    listed = [plan for plan in record.of_patient(given.patient, "CarePlan") if instantiates(plan, definition)]
    return next((plan for plan in sorted(listed, key=local) if word(plan) not in _ENDED), None)


def instantiates(plan: Resource, definition: Resource) -> bool:
    """Whether a template was applied in a plan."""
    listed = plan.get("instantiatesCanonical") or []
    return any(str(item).partition("|")[0] == definition.get("url") for item in listed)


def _team(record: World, patient: str, now: datetime) -> Resource | None:
    """The team that leads the patient's case management now: that of an active plan."""
    for plan in record.of_patient(patient, "CarePlan"):
        if is_active_plan(plan) and is_case_management(plan):
            for item in objects(plan.get("careTeam")):
                team = record.get(target(item))
                if team is not None and word(team) == "active" and _leader(team, now):
                    return team
    return None


def _leader(team: Resource | None, now: datetime) -> str:
    for item in objects(child(team, "participant")):
        is_lead = _LEAD in codes(item.get("role"), CARE_TEAM_ROLE)
        if is_lead and now.tzinfo is not None and current(item.get("period"), now, now.tzinfo):  # type: ignore[arg-type]
            return target(item.get("member"))
    return ""


def _lead(plan: Resource | None, team: Resource | None, now: datetime) -> str:
    author = target(child(plan, "author"))
    return author if author.startswith("Practitioner") else _leader(team, now)


def _newest_stay(record: World, patient: str, zone: Any) -> Resource | None:
    """The stay in a hospital or facility that began last."""
    dated = [
        (at, local(item), item)
        for item in record.of_patient(patient, "Encounter")
        if is_stay(item) and (at := beginning(child(item, "period", "start"), zone)) is not None
    ]
    return max(dated, key=lambda item: item[:2])[2] if dated else None


def _anchors(
    given: Given, definition: Resource, stay: Resource | None, now: datetime, zone: Any
) -> dict[str, datetime]:
    """The moments that are known: those that were given, those of the stay, and today for an enrollment."""
    named = {str(item["id"]) for item in objects(definition.get("action")) if "trigger" in item and "id" in item}
    found: dict[str, datetime | None] = {
        "admission": beginning(child(stay, "period", "start"), zone),
        "discharge": moment(child(stay, "period", "end"), zone),
        "enrollment": now,
    }
    for name, text in given.anchors:
        if name not in named:
            raise InvalidResource(
                f"The template counts from {', '.join(sorted(named)) or 'nothing'}; not from {name[:40]!r}.",
                expression="anchor",
            )
        found[name] = beginning(text, zone)
        if found[name] is None:
            raise InvalidResource(f"{name} is {text[:40]!r}, which is no date or dateTime.", expression="anchor")
    return {name: at for name, at in found.items() if at is not None and name in named}


def _applies(action: dict[str, Any], patient: Resource) -> bool:
    """Whether the conditions of an action hold for a patient; those of other kinds and languages are a person's."""
    for item in objects(action.get("condition")):
        expression = item.get("expression")
        if item.get("kind") != "applicability" or child(expression, "language") != "text/fhirpath":
            continue
        try:
            if not compiled(str(child(expression, "expression"))).holds(patient, Context(resource=patient)):
                return False
        except NotEvaluable as error:
            raise InvalidResource(
                f"The condition of the action {action.get('id')} cannot be answered: {error}.",
                expression="PlanDefinition.action.condition",
            ) from None
    return True
