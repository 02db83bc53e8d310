"""The cards for opening a chart: overdue work, changes on both sides, changes nobody has seen, gaps in the plan."""

from __future__ import annotations

from collections.abc import Iterator

from fhirplan.cds.cards import Card
from fhirplan.cds.moment import Moment, title
from fhirplan.coordination.alerts import KINDS, Alert, alerts
from fhirplan.coordination.elements import local
from fhirplan.coordination.state import PlanState
from fhirplan.fhir.codec import Resource

MOST_LINES = 8
# What other cards say already, or says nothing to whoever treats the patient.
_SAID = frozenset({"urgent-task-overdue", "sync-conflict"})
_GRAVE = frozenset({"safety-concern", "readmitted", "overdue-post-discharge-contact"})


def cards(moment: Moment) -> Iterator[Card]:
    """The cards of patient-view, for each plan that is active or on hold."""
    for plan in moment.plans:
        yield from _overdue(moment, plan)
        yield from _conflicts(moment, plan)
        yield from _unseen(moment, plan)
        yield from _gaps(moment, plan)


def _overdue(moment: Moment, plan: PlanState) -> Iterator[Card]:
    late = moment.shown(plan.having("overdue"))
    if not late:
        return
    late.sort(key=lambda item: (item.state.due or moment.now, item.ref))
    grave = any(item.grave or item.type == "post-discharge-call" for item in late)
    first = moment.line(late[0])
    summary = f"Overdue: {first}" if len(late) == 1 else f"{len(late)} tasks are overdue, the oldest: {first}"
    lines = tuple(moment.line(item) for item in late[:MOST_LINES])
    yield Card(f"overdue {plan.ref}", "critical" if grave else "warning", summary, lines, place="now")


def _conflicts(moment: Moment, plan: PlanState) -> Iterator[Card]:
    about = {plan.ref, *(local(item.goal) for item in plan.goals), *(local(item) for item in plan.tasks)}
    met = sorted(moment.conflicts & about)
    shown = [item for ref in met if (item := moment.world.get(ref)) is not None and not moment.hidden(item)]
    if shown:
        count = "1 item was" if len(shown) == 1 else f"{len(shown)} items were"
        summary = f"{count} changed here and in the care plan at once; somebody must decide"
        yield Card(
            f"conflict {plan.ref}", "warning", summary, tuple(map(called, shown[:MOST_LINES])), place="conflicts"
        )


def _unseen(moment: Moment, plan: PlanState) -> Iterator[Card]:
    waiting = [item for item in plan.changes if not moment.hidden(item)]
    if waiting:
        count = "1 change waits" if len(waiting) == 1 else f"{len(waiting)} changes wait"
        lines = tuple(title(item) for item in waiting[:MOST_LINES])
        yield Card(f"unseen {plan.ref}", "info", f"{count} to be acknowledged in the care plan", lines, place="changes")


def _gaps(moment: Moment, plan: PlanState) -> Iterator[Card]:
    found = [item for item in alerts(moment.world, plan, moment.now, moment.zone) if item.code not in _SAID]
    shown = [item for item in found if not _hides(moment, item)]
    nobody = moment.shown(plan.having("unassigned"))
    lines = [_said(moment, item) for item in shown] + [f"Nobody has taken: {title(item.task)}" for item in nobody]
    if not lines:
        return
    grave = any(item.code in _GRAVE for item in shown)
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    yield Card(
        f"gaps {plan.ref}", "warning" if grave else "info", f"{lines[0]}{more}", tuple(lines[:MOST_LINES]), place="now"
    )


def _hides(moment: Moment, item: Alert) -> bool:
    found = moment.world.get(item.item)
    return found is not None and moment.hidden(found)


def _said(moment: Moment, item: Alert) -> str:
    found = moment.world.get(item.item)
    about = called(found) if found is not None and found["resourceType"] in ("Goal", "Task") else ""
    return f"{KINDS[item.code][0]}: {about}" if about else KINDS[item.code][0]


def called(resource: Resource) -> str:
    """What people call a resource."""
    if resource["resourceType"] == "Goal":
        described = resource.get("description")
        return str(described.get("text") or "a goal") if isinstance(described, dict) else "a goal"
    if resource["resourceType"] == "CarePlan":
        return str(resource.get("title") or "the care plan")
    return title(resource)
