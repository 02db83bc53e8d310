"""Says when a plan's state will change by the clock alone, so that it is computed again then and not before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination import transitions
from fhirplan.coordination.alerts import BLOCKED_LONG
from fhirplan.coordination.elements import moment
from fhirplan.coordination.progress import goal_over
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import SOON
from fhirplan.coordination.world import World

# Overdue is later than due, so the first moment of it is the smallest step after.
_JUST_AFTER: Final = timedelta(microseconds=1)


def next_change(found: PlanState, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after ``now`` at which ``state`` may give something else though nothing was written.

    Up to it the state stays as it is; None when no time in it lies ahead. Alerts also follow deadlines of stays,
    consents and terms of office that are counted in days, so compute them at least once a day besides.
    """
    return min((at for at in _moments(found, zone) if at > now), default=None)


def alert_change(world: World, found: PlanState, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after ``now`` at which an alert may begin that ``next_change`` knows nothing of: a service
    that stays blocked, a call or a visit after a discharge that is not made."""
    return min((at for at in _alert_moments(world, found, now, zone) if at > now), default=None)


def _alert_moments(world: World, found: PlanState, now: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    for item in found.having("blocked"):
        touched = moment(item.task.get("lastModified") or item.task.get("authoredOn"), zone)
        if touched is not None:
            yield touched + BLOCKED_LONG
    for stay in transitions.discharges(world, found.plan, found.risk, now, zone):
        yield stay.call_by + _JUST_AFTER
        yield stay.visit_by + _JUST_AFTER


def _moments(found: PlanState, zone: ZoneInfo) -> Iterator[datetime]:
    for item in found.having("open"):
        if item.state.due is not None:
            yield item.state.due - SOON
            yield item.state.due + _JUST_AFTER
    for goal in found.goals:
        over = goal_over(goal.goal, zone)
        if over is not None:
            yield over
    if found.next_contact_due is not None:
        yield found.next_contact_due + _JUST_AFTER
