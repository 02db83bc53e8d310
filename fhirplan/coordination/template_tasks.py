"""The tasks and referrals that a template asks for in a plan: known again by their action, and timed by its anchors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhirplan.coordination.elements import codes, current, extensions, local, objects, target, texts, word
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.offsets import Window, window
from fhirplan.coordination.order import PROFILES, Order
from fhirplan.coordination.referrals import dated, occurrence, referral, service_of, standing
from fhirplan.coordination.vocabulary import CARE_TEAM_ROLE, DUE_BASIS, PERTAINS_TO_GOAL
from fhirplan.coordination.world import World, plan_tasks
from fhirplan.fhir.codec import Resource

GROUP: Final = "http://fhirplan.dev/fhir/sid/application"
_FULFILL: Final = {
    "system": "http://hl7.org/fhir/CodeSystem/task-code",
    "code": "fulfill",
    "display": "Fulfill the focal request",
}


class Tasks:
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
            "code": _code(action, fulfills=bool(request)),
            "focus": {"reference": request} if request else None,
            **(texts(action, description="description") or texts(action, title="description")),
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
        """Who was chosen, else the one member of the team who has the role now; "" where there is none or a choice."""
        if action["id"] in self._order.owners:
            return self._order.owners[action["id"]]
        wanted = codes([item.get("role") for item in objects(action.get("participant"))], CARE_TEAM_ROLE)
        found = {
            member
            for item in objects(self._team.get("participant"))
            if codes(item.get("role"), CARE_TEAM_ROLE) & wanted
            and current(item.get("period"), self._order.now, self._order.zone)
            and (member := target(item.get("member")))
        }
        return found.pop() if len(found) == 1 else ""


def _code(action: dict[str, Any], *, fulfills: bool) -> dict[str, Any]:
    """What is to be done; a task that fulfills a request says so beside its own kind."""
    kinds = next(iter(objects(action.get("code"))), {})
    return {"coding": [*objects(kinds.get("coding")), *([_FULFILL] if fulfills else [])], **texts(action, title="text")}


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
