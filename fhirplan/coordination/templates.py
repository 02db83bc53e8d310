"""Turns a PlanDefinition into a plan with goals, team, tasks and referrals, or adds what is new (guide section 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from fhirplan.coordination.elements import local, objects, word
from fhirplan.coordination.order import Order, new_team, plan_with, team_of
from fhirplan.coordination.template_goals import Goals
from fhirplan.coordination.template_tasks import Tasks
from fhirplan.coordination.world import World
from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import Resource

_CLOSED: Final = frozenset({"completed", "revoked", "entered-in-error"})


@dataclass(frozen=True, slots=True)
class Application:
    """What applying a template writes, to be committed in one transaction.

    ``made`` is new and has its id; ``changed`` are stored resources as they become; ``kept`` were there already.
    Nothing is written by it, so showing it is the dry run.
    """

    made: tuple[Resource, ...]
    changed: tuple[Resource, ...]
    kept: tuple[str, ...]
    plan: str


def behaviors(definitions: Iterable[Resource]) -> dict[str, str]:
    """requiredBehavior of every action of these templates, by ``url|version#action``."""
    return {
        f"{definition.get('url')}|{definition.get('version')}#{action['id']}": str(action["requiredBehavior"])
        for definition in definitions
        for action in objects(definition.get("action"))
        if "id" in action and "requiredBehavior" in action
    }


def apply(order: Order, world: World, new_id: Callable[[], str]) -> Application:
    """What it takes for the plan to hold everything that the template asks for, and nothing twice.

    Goals are known again by an identifier, tasks by their instantiatesUri whatever the version, so applying again
    adds only what is new. A task whose anchor became known since is dated and leaves draft; what a person has
    changed already is left alone. Raises InvalidResource for a template that is not usable or a plan that has ended.
    """
    if order.definition.get("resourceType") != "PlanDefinition" or not order.definition.get("url"):
        raise InvalidResource("A template is a PlanDefinition with a url.", expression="PlanDefinition.url")
    if order.plan is not None and word(order.plan) in _CLOSED:
        raise InvalidResource(
            f"The plan is {word(order.plan)}. Apply the template to a new plan.", expression="CarePlan.status"
        )
    plan_id = order.plan["id"] if order.plan else new_id()
    team = team_of(order, world) or new_team(order, new_id())
    goals = Goals(order, world, plan_id, new_id)
    refs = goals.made_or_kept()
    tasks = Tasks(order, world, plan_id, team, refs, new_id)
    tasks.make()
    made = [*goals.made, *tasks.made]
    changed = [*goals.changed, *tasks.changed]
    if team_of(order, world) is None:
        made.insert(0, team)
    whole = plan_with(order, plan_id, team, list(refs.values()), [local(item) for item in tasks.made])
    if order.plan is None:
        made.append(whole)
    elif whole != order.plan:
        changed.append(whole)
    return Application(tuple(made), tuple(changed), (*goals.kept, *tasks.kept), f"CarePlan/{plan_id}")


def transaction(application: Application) -> Resource:
    """A transaction Bundle that writes the application, for the interactions or to be shown."""
    entries = [
        {"fullUrl": f"urn:fhirplan:{local(item)}", "resource": item, "request": {"method": "PUT", "url": local(item)}}
        for item in (*application.made, *application.changed)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
