"""Applies a template to a patient through the ordinary write path: PlanDefinition/$apply (R4 section 13.7.4)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from fhirplan.access.decide import Actor, lacking, limits
from fhirplan.coordination.elements import local
from fhirplan.coordination.order import Order
from fhirplan.coordination.referrals import asks_for_services
from fhirplan.coordination.templates import Application, apply, transaction
from fhirplan.coordination.world import World
from fhirplan.errors import InvalidResource, MalformedRequest, NotFound, NotPermitted
from fhirplan.fhir.codec import Resource, dumps
from fhirplan.fhir.resource import version_id
from fhirplan.interactions.bundles.transaction import Read
from fhirplan.interactions.bundles.transaction import transaction as carry_out
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.operations.given import Given
from fhirplan.interactions.operations.inputs import parameters
from fhirplan.interactions.operations.ordering import instantiates, order_of
from fhirplan.interactions.outcomes import StaleVersion
from fhirplan.interactions.seen_record import seen_record
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import by_canonical, shipped
from fhirplan.interactions.values import Interaction, Reply

_TRIES: Final = 3
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
    given = Given.of(services, interaction)
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


def _definition(services: Services, interaction: Interaction, given: Given) -> Resource:
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
    services: Services, interaction: Interaction, given: Given, definition: Resource
) -> tuple[Application, Resource]:
    """What applying takes on the record as it is now, and the transaction that writes it."""
    with services.database.read() as tx:
        record = seen_record(services, tx, interaction)
        order = order_of(services, record, given, definition)
        ids = _ids(record, order, services.new_id)
        made = apply(order, record, ids)
        return made, _guarded(transaction(made), record, made)


def _ids(record: World, order: Order, new_id: Callable[[], str]) -> Callable[[], str]:
    """Ids for what is new. That of a new plan follows from the patient and the template, so that two callers who
    apply the same at once collide instead of making two."""
    if order.plan is not None:
        return new_id
    made = sum(instantiates(plan, order.definition) for plan in record.of_patient(order.patient, "CarePlan"))
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
