"""Says when a plan's state will change by the clock alone, so that it is computed again then and not before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.progress import goal_over
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import SOON

# Overdue is later than due, so the first moment of it is the smallest step after.
_JUST_AFTER: Final = timedelta(microseconds=1)


def next_change(found: PlanState, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after ``now`` at which ``state`` may give something else though nothing was written.

    Up to it the state stays as it is; None when no time in it lies ahead. Alerts also follow deadlines of stays,
    consents and terms of office that are counted in days, so compute them at least once a day besides.
    """
    return min((at for at in _moments(found, zone) if at > now), default=None)


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
