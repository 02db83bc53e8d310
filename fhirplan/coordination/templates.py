"""Turns a PlanDefinition into a plan with goals, team, tasks and referrals, or adds what is new (guide section 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.coordination.elements import child, codes, current, extensions, local, objects, target, targets, word
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.offsets import Window, window
from fhirplan.coordination.order import PROFILES, Order, new_team, plan_with, team_of
from fhirplan.coordination.referrals import dated, occurrence, referral, service_of, standing
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE, DUE_BASIS, PERTAINS_TO_GOAL
from fhirplan.coordination.world import World, plan_tasks
from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import Resource

GOAL_IDENTIFIER: Final = "http://fhirplan.dev/fhir/sid/template-goal"
GROUP: Final = "http://fhirplan.dev/fhir/sid/application"
_FULFILL: Final = {
    "system": "http://hl7.org/fhir/CodeSystem/task-code",
    "code": "fulfill",
    "display": "Fulfill the focal request",
}
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
    goals = _Goals(order, world, plan_id, new_id)
    refs = goals.made_or_kept()
    tasks = _Tasks(order, world, plan_id, team, refs, new_id)
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


class _Goals:
    """The goals of a template in a plan: those there already, and those to make."""

    def __init__(self, order: Order, world: World, plan_id: str, new_id: Callable[[], str]) -> None:
        self._order, self._plan_id, self._new_id = order, plan_id, new_id
        stored = [world.get(ref) for ref in targets(child(order.plan, "goal"))]
        self._stored = {value: item for item in stored if item for value in _values(item)}
        self.made: list[Resource] = []
        self.changed: list[Resource] = []
        self.kept: list[str] = []

    def made_or_kept(self) -> dict[str, str]:
        """``Goal/id`` of each goal id of the template."""
        return {goal["id"]: self._one(goal) for goal in objects(self._order.definition.get("goal")) if "id" in goal}

    def _one(self, goal: dict[str, Any]) -> str:
        value = f"{self._plan_id}/{self._order.definition.get('id')}/{goal['id']}"
        stored = self._stored.get(value)
        if stored is None:
            self.made.append(_goal(self._order, goal, value, self._new_id()))
            return local(self.made[-1])
        dated = _dated(self._order, goal, stored)
        if dated != stored:
            self.changed.append(dated)
        else:
            self.kept.append(local(stored))
        return local(stored)


def _values(goal: Resource) -> list[str]:
    return [str(item.get("value")) for item in objects(goal.get("identifier")) if item.get("system") == GOAL_IDENTIFIER]


def _goal(order: Order, goal: dict[str, Any], value: str, id_: str) -> Resource:
    made: Resource = {
        "resourceType": "Goal",
        "id": id_,
        "meta": {"profile": [f"{PROFILES}goal"]},
        "identifier": [{"system": GOAL_IDENTIFIER, "value": value}],
        "lifecycleStatus": "proposed",
        "category": [goal["category"]] if "category" in goal else [],
        "description": goal.get("description"),
        "subject": {"reference": order.patient},
        "target": _targets(order, goal),
    }
    return {key: item for key, item in made.items() if item}


def _targets(order: Order, goal: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets with a due date where the anchor is known; a value that the author has yet to fill is left out."""
    made = []
    for item in objects(goal.get("target")):
        kept = {key: value for key, value in item.items() if key == "measure" or _is_filled(key, value)}
        day = _goal_day(order, item.get("due"))
        if day:
            kept["dueDate"] = day
        if kept:
            made.append(kept)
    return made


def _is_filled(key: str, value: Any) -> bool:
    if not key.startswith("detail"):
        return False
    if key == "detailQuantity":
        return "value" in value
    return key != "detailRange" or any("value" in child(value, end) for end in ("low", "high") if child(value, end))


def _goal_day(order: Order, due: Any) -> str:
    """The day a goal is due: its duration after the last anchor of the template (discharge, or enrollment)."""
    names = [str(item["id"]) for item in objects(order.definition.get("action")) if "trigger" in item]
    anchor = order.anchors.get(names[-1]) if names else None
    if anchor is None or not isinstance(due, dict) or "value" not in due:
        return ""
    found = window(anchor, {"relationship": "after-end", "offsetDuration": due}, False, order.zone)
    return found.due.date().isoformat() if found else ""


def _dated(order: Order, goal: dict[str, Any], stored: Resource) -> Resource:
    """A stored goal, dated now that its anchor is known, when nobody has dated or taken it up before."""
    if word(stored, "lifecycleStatus") != "proposed" or any("dueDate" in one for one in objects(stored.get("target"))):
        return stored
    found = _targets(order, goal)
    return {**stored, "target": found} if any("dueDate" in item for item in found) else stored


class _Tasks:
    """The tasks of a template in a plan: those there already, those to make, those whose time became known."""

    def __init__(
        self,
        order: Order,
        world: World,
        plan_id: str,
        team: Resource,
        goals: Mapping[str, str],
        new_id: Callable[[], str],
    ) -> None:
        self._order, self._plan_id, self._team, self._goals, self._new_id = order, plan_id, team, goals, new_id
        stored = plan_tasks(world, f"CarePlan/{plan_id}") if order.plan else []
        self._stored = {key: item for item in stored if (key := _action_of(item))}
        self._world = world
        self._group = ""
        self.made: list[Resource] = []
        self.changed: list[Resource] = []
        self.kept: list[str] = []

    def make(self) -> None:
        """Goes through the actions of the template."""
        for action in objects(self._order.definition.get("action")):
            if "trigger" in action or "id" not in action:
                continue
            stored = self._stored.get((str(self._order.definition["url"]), str(action["id"])))
            if stored is not None:
                self._again(action, stored)
            elif action["id"] not in self._order.left_out and self._applies(action):
                self._group = self._group or self._new_id()
                self.made.append(self._new(action))

    def _applies(self, action: dict[str, Any]) -> bool:
        return "condition" not in action or self._order.applies is None or self._order.applies(action)

    def _again(self, action: dict[str, Any], stored: Resource) -> None:
        found = _window(self._order, action)
        if found is None or word(stored) != "draft" or stored.get("restriction"):
            self.kept.append(local(stored))
            return
        owner = target(stored.get("owner")) or self._owner(action)
        moved = {**stored, "status": "ready" if owner else "requested", "restriction": _restriction(found)}
        if owner:
            moved["owner"] = {"reference": owner}
        self.changed.append(applied(stored, moved, self._order.now))
        request = dated(self._world.get(target(stored.get("focus"))), found)
        if request is not None and request["resourceType"] == "ServiceRequest":
            self.changed.append(request)

    def _new(self, action: dict[str, Any]) -> Resource:
        order, found, owner = self._order, _window(self._order, action), self._owner(action)
        pertains = [self._goals[ref] for ref in action.get("goalId") or () if ref in self._goals]
        written = order.now.astimezone(order.zone).isoformat(timespec="seconds")
        request = self._request(action, pertains, found, owner)
        kinds = next(iter(objects(action.get("code"))), {})
        made: Resource = {
            "resourceType": "Task",
            "id": self._new_id(),
            "meta": {"profile": [f"{PROFILES}task"]},
            "extension": [
                *({"url": DUE_BASIS, "valueCode": item["valueCode"]} for item in extensions(action, DUE_BASIS)),
                *({"url": PERTAINS_TO_GOAL, "valueReference": {"reference": ref}} for ref in pertains),
            ],
            "instantiatesUri": f"{order.canonical}#{action['id']}",
            "basedOn": [{"reference": ref} for ref in (f"CarePlan/{self._plan_id}", request) if ref],
            "groupIdentifier": {"system": GROUP, "value": self._group},
            "status": "draft" if found is None else "ready" if owner else "requested",
            "intent": "order",
            "priority": action.get("priority") or "routine",
            "code": {
                "coding": [*objects(kinds.get("coding")), *([_FULFILL] if request else [])],
                "text": action.get("title"),
            },
            "focus": {"reference": request} if request else None,
            "description": action.get("description") or action.get("title"),
            "for": {"reference": order.patient},
            "encounter": {"reference": order.encounter} if order.encounter else None,
            "authoredOn": written,
            "lastModified": written,
            "requester": {"reference": order.lead},
            "performerType": [
                item["role"] for item in objects(action.get("participant")) if isinstance(item.get("role"), dict)
            ],
            "owner": {"reference": owner} if owner else None,
            "restriction": _restriction(found) if found else None,
        }
        return {key: item for key, item in made.items() if item}

    def _request(self, action: dict[str, Any], goals: list[str], found: Window | None, owner: str) -> str:
        """The request for the service that an action asks for, made unless one stands; "" where it asks for none."""
        service = service_of(self._order.definition, action)
        if service is None:
            return ""
        known = standing(self._world, self._order, service)
        if known is not None:
            self.kept.append(local(known))
            return local(known)
        plan = f"CarePlan/{self._plan_id}"
        self.made.append(referral(self._order, action, service, plan, goals, found, owner, self._new_id()))
        return local(self.made[-1])

    def _owner(self, action: dict[str, Any]) -> str:
        """The one member of the team who has the role now; "" where there is none or a choice."""
        wanted = codes([item.get("role") for item in objects(action.get("participant"))], CARE_TEAM_ROLE)
        found = {
            member
            for item in objects(self._team.get("participant"))
            if codes(item.get("role"), CARE_TEAM_ROLE) & wanted
            and current(item.get("period"), self._order.now, self._order.zone)
            and (member := target(item.get("member")))
        }
        return found.pop() if len(found) == 1 else ""


def _action_of(task: Resource) -> tuple[str, str] | None:
    """The template and the action that a task came from, without the version."""
    canonical, mark, action = word(task, "instantiatesUri").rpartition("#")
    return (canonical.partition("|")[0], action) if mark else None


def _window(order: Order, action: dict[str, Any]) -> Window | None:
    related = next(iter(objects(action.get("relatedAction"))), {})
    anchor = order.anchors.get(str(related.get("actionId")))
    business = any(item.get("valueCode") == "business-days" for item in extensions(action, DUE_BASIS))
    return window(anchor, related, business, order.zone, order.holidays) if anchor else None


def _restriction(found: Window) -> dict[str, Any]:
    return {"period": occurrence(found)}
