"""Writes a plan's coordination state as a FHIR List that any reader of base R4 understands (guide section 4.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.alerts import DERIVED
from fhirplan.coordination.due import TaskState, due_time
from fhirplan.coordination.elements import child, local, objects, target, word
from fhirplan.coordination.progress import goal_due
from fhirplan.coordination.state import PlanState, WorkItem, summary
from fhirplan.coordination.vocabulary import ENTRY_FLAG, ENTRY_STATE, LIST_CODE, SUMMARY, TRANSITION_STAGE
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import content_hash

PROFILE: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-coordination-list"
IDENTIFIER: Final = "http://fhirplan.dev/fhir/sid/coordination"
_FLAGS: Final = {
    "plan": "The plan",
    "transition": "Transition",
    "blocked": "Blocked",
    "overdue": "Overdue",
    "due-soon": "Due within 48 hours",
    "unassigned": "Unassigned",
    "open": "Open, on schedule",
    "planned": "Planned (draft)",
    "goal-on-track": "Goal on track",
    "goal-at-risk": "Goal at risk",
    "goal-off-track": "Goal off track",
    "goal-achieved": "Goal achieved",
    "open-referral": "Referral not closed",
    "unacknowledged-change": "Change not acknowledged",
    "last-contact": "Last interactive contact",
    "alert": "Alert",
}
_GRAVEST: Final = ("blocked", "overdue", "unassigned", "due-soon", "open")
_TYPES: Final = {"overall": "Code", "acuity": "Code", "readmissionRisk": "Code"}
_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})
_MOST_OF_AN_ID: Final = 64


def list_id(plan_id: str) -> str:
    """The id of a plan's List: ``coord-`` and the plan's id, shortened by a digest where that is over 64 long."""
    plain = f"coord-{plan_id}"
    return plain if len(plain) <= _MOST_OF_AN_ID else f"coord-{hashlib.sha256(plan_id.encode()).hexdigest()[:40]}"


def worklist(made: PlanState, flags: Iterable[Resource], now: datetime, zone: ZoneInfo, source: str) -> Resource:
    """The List of a state: the plan, its transition, tasks, referrals, goals, last contact and active ``flags``.

    ``source`` is the reference of the fhirplan Device. Write it only when ``changed`` says so.
    """
    return {
        "resourceType": "List",
        "id": list_id(made.plan["id"]),
        "meta": {"profile": [PROFILE], "tag": [DERIVED]},
        "text": {"status": "generated", "div": _narrative(made)},
        "extension": [{"url": SUMMARY, "extension": _summary(made)}],
        "identifier": [{"system": IDENTIFIER, "value": made.plan["id"]}],
        "status": "retired" if word(made.plan) in _ENDED else "current",
        "mode": "working",
        "title": f"Coordination state: {made.plan.get('title') or made.plan['id']}",
        "code": {
            "coding": [{"system": LIST_CODE, "code": "coordination-worklist", "display": "Coordination worklist"}]
        },
        "subject": {"reference": made.patient},
        "date": now.astimezone(zone).isoformat(timespec="seconds"),
        "source": {"reference": source},
        "orderedBy": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-order", "code": "priority"}]},
        "entry": _entries(made, flags, zone),
    }


def changed(stored: Resource | None, made: Resource) -> bool:
    """Whether a List says something else than the stored one, apart from when it was computed."""
    return stored is None or _content(stored) != _content(made)


def _content(item: Resource) -> str:
    return content_hash({key: value for key, value in item.items() if key not in ("date", "text")})


def _narrative(made: PlanState) -> str:
    """The state in a sentence, for a system that shows nothing but narrative."""
    values = summary(made)
    title = escape(str(made.plan.get("title") or made.plan["id"]), quote=False)
    said = (
        f"{values['overall']}: {values['openTasks']} open tasks, {values['overdueTasks']} overdue, "
        f"{values['blockedTasks']} blocked, {values['unassignedTasks']} unassigned"
    )
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{title}</p><p>{said}</p></div>'


def _summary(made: PlanState) -> list[dict[str, Any]]:
    values = summary(made)
    owner = child(made.plan, "author", "reference")
    parts: list[dict[str, Any]] = [{"url": "plan", "valueReference": {"reference": made.ref}}]
    if isinstance(owner, str) and owner.partition("/")[0] in ("Practitioner", "PractitionerRole"):
        parts.append({"url": "owner", "valueReference": {"reference": owner}})
    for name, value in values.items():
        if name == "stage":
            stage = next(
                item
                for item in objects(child(made.transition, "businessStatus", "coding"))
                if item.get("system") == TRANSITION_STAGE
            )
            kept = {key: stage[key] for key in ("system", "code", "display") if key in stage}
            parts.append({"url": name, "valueCoding": kept})
        else:
            type_ = _TYPES.get(name) or ("UnsignedInt" if isinstance(value, int) else "DateTime")
            parts.append({"url": name, f"value{type_}": value})
    return parts


def states(state: TaskState) -> list[str]:
    """Every state of a task that is true, the gravest first; ``open`` only when nothing else is."""
    found = [
        name
        for name, holds in (
            ("blocked", state.blocked),
            ("overdue", state.overdue),
            ("unassigned", state.unassigned),
            ("due-soon", state.due_soon),
        )
        if holds
    ]
    return found or ["open"]


def _entries(made: PlanState, flags: Iterable[Resource], zone: ZoneInfo) -> list[dict[str, Any]]:
    entries = [_entry("plan", made.ref)]
    if made.transition is not None:
        entries.append(_entry("transition", local(made.transition), _due(made.transition, zone)))
    for item in sorted(made.having("open"), key=_order):
        held = states(item.state)
        marks = [{"url": ENTRY_STATE, "valueCoding": _coding(name)} for name in held]
        entries.append({"extension": marks, **_entry(held[0], item.ref, item.due_written)})
    for item in sorted(made.having("planned"), key=_order):
        entries.append(_entry("planned", item.ref, item.due_written))
    entries.extend(
        _entry("unacknowledged-change", local(task), _due(task, zone)) for task in sorted(made.changes, key=local)
    )
    entries.extend(_entry("open-referral", local(item)) for item in sorted(made.referrals, key=local))
    entries.extend(
        _entry(f"goal-{goal.track}", local(goal.goal), goal_due(goal.goal)) for goal in made.goals if goal.track
    )
    if made.contact:
        entries.append(_entry("last-contact", made.contact.ref, made.contact.written))
    active = (flag for flag in flags if word(flag) == "active" and target(flag.get("subject")) == made.patient)
    entries.extend(_entry("alert", local(flag)) for flag in sorted(active, key=local))
    return entries


def _order(item: WorkItem) -> tuple[int, float, str]:
    due = item.state.due.timestamp() if item.state.due else float("inf")
    return _GRAVEST.index(states(item.state)[0]), due, item.ref


def _due(task: Resource, zone: ZoneInfo) -> str:
    return str(child(task, "restriction", "period", "end")) if due_time(task, zone) else ""


def _coding(name: str) -> dict[str, str]:
    return {"system": ENTRY_FLAG, "code": name, "display": _FLAGS[name]}


def _entry(name: str, ref: str, date: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"flag": {"coding": [_coding(name)]}}
    if date:
        made["date"] = date
    return {**made, "item": {"reference": ref}}
