"""The goals that a template asks for in a plan: known again by an identifier, and dated once their anchor is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.coordination.elements import child, local, objects, targets, word
from fhirplan.coordination.offsets import window
from fhirplan.coordination.order import PROFILES, Order
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource

GOAL_IDENTIFIER: Final = "http://fhirplan.dev/fhir/sid/template-goal"


class Goals:
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
