"""Applies a template to a patient through the ordinary write path: PlanDefinition/$apply (R4 section 13.7.4)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fhirplan.access.decide import Actor, lacking, limits
from fhirplan.coordination.case import is_active_plan, is_case_management
from fhirplan.coordination.elements import beginning, child, codes, current, local, moment, objects, target, word
from fhirplan.coordination.order import Order
from fhirplan.coordination.referrals import asks_for_services
from fhirplan.coordination.templates import Application, apply, transaction
from fhirplan.coordination.transitions import is_stay
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE
from fhirplan.coordination.world import World
from fhirplan.errors import InvalidResource, MalformedRequest, NotFound, NotPermitted
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.fhir.path import Context, NotEvaluable
from fhirplan.fhir.path import compile as compiled
from fhirplan.fhir.resource import version_id
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.inputs import inputs, parameters
from fhirplan.interactions.outcomes import StaleVersion
from fhirplan.interactions.seen_record import seen_record
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import by_canonical, shipped
from fhirplan.interactions.transaction import Read
from fhirplan.interactions.transaction import transaction as carry_out
from fhirplan.interactions.values import Interaction, Reply

_TRIES: Final = 3
_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})
_LEAD: Final = "case-manager"
# What applying reads and writes, with the letters of a scope that this takes.
_TOUCHES: Final[Mapping[str, str]] = {
    "Patient": "r",
    "Encounter": "rs",
    "CarePlan": "rscu",
    "CareTeam": "rscu",
    "Goal": "rscu",
    "Task": "rscu",
}


def apply_template(services: Services, interaction: Interaction, reads: dict[str, Read]) -> Reply:
    """200 with the care plan as it is after the template was applied, or, with dryRun, the transaction it would take.

    Two who apply the same at the same time make one plan: the second finds what the first has made. Raises NotFound
    (template, patient), MalformedRequest, NotPermitted, InvalidResource, also with what the coordination rules refuse.
    """
    given = _Given.of(services, interaction)
    permit(interaction.actor, given.patient, _TOUCHES)
    definition = _definition(services, interaction, given)
    if asks_for_services(definition):
        permit(interaction.actor, given.patient, {"ServiceRequest": "rscu"})
    for left in reversed(range(_TRIES)):
        application, bundle = _computed(services, interaction, given, definition)
        if given.dry:
            seen(services, interaction, reads, application.changed)
            return Reply(200, dumps(bundle))
        try:
            if bundle["entry"]:
                whole = as_transaction(interaction, bundle)
                carry_out(services, whole, bundle, reads)
        except StaleVersion:
            if not left:
                raise
            continue
        break
    return _read(services, interaction, reads, application.plan)


def as_transaction(interaction: Interaction, bundle: Resource) -> Interaction:
    """What an operation has made for its caller, as the transaction that stores it."""
    return replace(interaction, kind="bundle", type="", id="", parameters=(), body=bundle, if_match="", ids_made=True)


def seen(services: Services, interaction: Interaction, reads: Mapping[str, Read], shown: Iterable[Resource]) -> None:
    """Raises what reading them raises unless the caller may read all of these stored resources."""
    for item in shown:
        _read(services, interaction, reads, local(item))


def _read(services: Services, interaction: Interaction, reads: Mapping[str, Read], ref: str) -> Reply:
    type_, _, id_ = ref.partition("/")
    asked = replace(interaction, kind="read", type=type_, id=id_, parameters=(), body=b"", if_match="")
    with services.database.read() as tx:
        return reads["read"](services, tx, asked)


def permit(actor: Actor | None, patient: str, touches: Mapping[str, str]) -> None:
    """Raises NotPermitted unless an actor may do all of this to what belongs to a patient (``Patient/[id]``).

    ``touches`` has the letters of a scope by type. Without a grant nothing limits an actor.
    """
    if actor is None or actor.grant is None:
        return
    id_ = patient.removeprefix("Patient/")
    for type_, letters in touches.items():
        for letter in letters:
            found = limits(actor, type_, letter)
            if not any(limit.patient in ("", id_) and not limit.query for limit in found):
                wanted = lacking(actor.grant, type_, "".join(item for item in "cruds" if item in letters))
                raise NotPermitted(
                    f"This reads and writes {type_}, for which the token lacks the right {letter!r} to all of what "
                    f"belongs to {patient}. Ask for {wanted}.",
                    scope="" if found else wanted,
                )


@dataclass(frozen=True, slots=True)
class _Given:
    patient: str
    url: str = ""
    lead: str = ""
    encounter: str = ""
    plan: str = ""
    team: str = ""
    anchors: tuple[tuple[str, str], ...] = ()
    left_out: frozenset[str] = frozenset()
    dry: bool = False

    @classmethod
    def of(cls, services: Services, interaction: Interaction) -> _Given:
        listed = inputs(services, interaction)
        one = dict(listed)
        dry = one.get("dryRun", "false")
        if dry not in ("true", "false"):
            raise MalformedRequest(f"dryRun is {dry[:20]!r}; it is true or false.", expression="http.dryRun")
        anchors = tuple(_anchor(value) for name, value in listed if name == "anchor")
        return cls(
            _reference(one["subject"], "subject", ("Patient",)),
            one.get("url", ""),
            _reference(one.get("practitioner", ""), "practitioner", ("PractitionerRole", "Practitioner")),
            _reference(one.get("encounter", ""), "encounter", ("Encounter",)),
            _reference(one.get("plan", ""), "plan", ("CarePlan",)),
            _reference(one.get("careTeam", ""), "careTeam", ("CareTeam",)),
            anchors,
            frozenset(value for name, value in listed if name == "leaveOut"),
            dry == "true",
        )


def _reference(text: str, name: str, types: tuple[str, ...]) -> str:
    """``Type/id``; of one possible type the id alone will do."""
    full = text if "/" in text or not text or len(types) > 1 else f"{types[0]}/{text}"
    if full and (full.partition("/")[0] not in types or full.count("/") != 1 or full.endswith("/")):
        raise MalformedRequest(
            f"{name} is {text[:80]!r}; it is {' or '.join(f'{item}/[id]' for item in types)}.",
            expression=f"http.{name}",
        )
    return full


def _anchor(text: str) -> tuple[str, str]:
    name, equals, at = text.partition("=")
    if not equals or not name:
        raise MalformedRequest(
            f"anchor is {text[:80]!r}; it is a name and a moment, such as discharge=2026-03-06T15:00:00-06:00.",
            expression="http.anchor",
        )
    return name, at.replace(" ", "+")


def _definition(services: Services, interaction: Interaction, given: _Given) -> Resource:
    """The template: that of the address, of the url, or the one that was sent along."""
    if interaction.id:
        found = shipped(services, "PlanDefinition").get(interaction.id)
        if found is None:
            raise NotFound(f"There is no PlanDefinition/{interaction.id} here. /PlanDefinition lists the templates.")
        return found
    if given.url:
        found = by_canonical(services, "PlanDefinition", given.url)
        if found is None:
            raise NotFound(f"There is no template {given.url[:200]} here. /PlanDefinition lists the templates.")
        return found
    sent = (
        [item.get("resource") for item in parameters(services, interaction) if item.get("name") == "planDefinition"]
        if interaction.body
        else []
    )
    if len(sent) != 1 or not isinstance(sent[0], dict) or sent[0].get("resourceType") != "PlanDefinition":
        raise MalformedRequest("Say which template: by its address, its url, or as planDefinition in the Parameters.")
    issues = [item for item in checked(services, sent[0]) if item.is_error]
    if issues:
        raise InvalidResource(issues)
    return sent[0]


def _computed(
    services: Services, interaction: Interaction, given: _Given, definition: Resource
) -> tuple[Application, Resource]:
    """What applying takes on the record as it is now, and the transaction that writes it."""
    with services.database.read() as tx:
        record = seen_record(services, tx, interaction)
        order = _order(services, record, given, definition)
        ids = _ids(record, order, services.new_id)
        made = apply(order, record, ids)
        return made, _guarded(transaction(made), record, made)


def _order(services: Services, record: World, given: _Given, definition: Resource) -> Order:
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
        holidays=rules.holidays,
        applies=lambda action: _applies(action, patient),
    )


def _known(record: World, ref: str) -> Resource:
    found = record.get(ref)
    if found is None:
        raise NotFound(f"There is no {ref} here.")
    return found


def _plan(record: World, given: _Given, definition: Resource) -> Resource | None:
    """The plan to add to: the one that is named, or the one in which this template was applied before."""
    if given.plan:
        found = _known(record, given.plan)
        if target(found.get("subject")) != given.patient:
            raise InvalidResource(f"{given.plan} is not a plan of {given.patient}.", expression="plan")
        return found
    listed = [plan for plan in record.of_patient(given.patient, "CarePlan") if _instantiates(plan, definition)]
    return next((plan for plan in sorted(listed, key=local) if word(plan) not in _ENDED), None)


def _instantiates(plan: Resource, definition: Resource) -> bool:
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
    given: _Given, definition: Resource, stay: Resource | None, now: datetime, zone: Any
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


def _ids(record: World, order: Order, new_id: Callable[[], str]) -> Callable[[], str]:
    """Ids for what is new. That of a new plan follows from the patient and the template, so that two callers who
    apply the same at once collide instead of making two."""
    if order.plan is not None:
        return new_id
    made = sum(_instantiates(plan, order.definition) for plan in record.of_patient(order.patient, "CarePlan"))
    name = f"{order.patient}|{order.definition.get('url')}|{made}"
    first = [str(uuid.uuid5(uuid.NAMESPACE_URL, name))]
    if record.get(f"CarePlan/{first[0]}") is not None:
        return new_id
    return lambda: first.pop() if first else new_id()


def _guarded(bundle: Resource, record: World, made: Application) -> Resource:
    """The transaction, with each change tied to the version that it was computed from."""
    changed = {local(item) for item in made.changed}
    for entry in bundle["entry"]:
        name = entry["request"]["url"]
        stored = record.get(name) if name in changed else None
        if stored is not None:
            entry["request"]["ifMatch"] = f'W/"{version_id(stored)}"'
        elif name.startswith("CarePlan/"):
            entry["request"]["ifNoneMatch"] = "*"
    return bundle
