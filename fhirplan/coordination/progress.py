"""Says how a goal stands and when a patient is to be spoken to next (guide sections 3.3 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Literal
from zoneinfo import ZoneInfo

from fhirplan.coordination.elements import (
    acuity,
    child,
    code,
    contact_outcome,
    contact_time,
    local,
    moment,
    objects,
    word,
)
from fhirplan.coordination.vocabulary import (
    ATTEMPTS,
    CONTACT_DAYS,
    GOAL_ACHIEVEMENT,
    INTERACTIVE,
    RISK_PROBABILITY,
)
from fhirplan.fhir.codec import Resource

Track = Literal["on-track", "at-risk", "off-track", "achieved", ""]
_BEHIND = frozenset({"worsening", "not-achieved", "no-progress", "not-attainable"})
_REACHED = frozenset({"achieved", "sustaining"})
_FINAL = frozenset({"final", "amended", "corrected"})


@dataclass(frozen=True, slots=True)
class Contact:
    """When somebody was spoken to: the moment, as it was written, and the Communication (``Type/id``)."""

    at: datetime
    written: str
    ref: str


def track(goal: Resource, now: datetime, zone: ZoneInfo) -> Track:
    """How a goal stands; "" for one that counts nowhere, since it is not pursued or ended unreached."""
    lifecycle = word(goal, "lifecycleStatus")
    reached = code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT)
    if reached in _REACHED and lifecycle in ("active", "completed"):
        return "achieved"
    if lifecycle != "active":
        return ""
    over = goal_over(goal, zone)
    if is_behind(goal) or (over is not None and over <= now):
        return "off-track"
    return "at-risk" if reached == "no-change" else "on-track"


def is_behind(goal: Resource) -> bool:
    """Whether a goal's achievement says that it is off track, whatever its dates."""
    return code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT) in _BEHIND


def goal_over(goal: Resource, zone: ZoneInfo) -> datetime | None:
    """The first moment after the last day by which anything of a goal is due; None when that is never."""
    dues = [moment(item.get("dueDate"), zone) for item in objects(goal.get("target"))]
    last = max((item.date() for item in dues if item is not None), default=date.max)
    return datetime.combine(last + timedelta(days=1), clock_time(), zone) if last < date.max else None


def goal_due(goal: Resource) -> str:
    """The first date by which something of a goal is due, as it is written, or ""."""
    return min((str(item["dueDate"]) for item in objects(goal.get("target")) if item.get("dueDate")), default="")


def contacts(communications: Iterable[Resource], zone: ZoneInfo) -> list[Contact]:
    """The interactive contacts among these communications, the oldest first."""
    return _timed(
        (item for item in communications if item.get("status") == "completed" and contact_outcome(item) & INTERACTIVE),
        zone,
    )


def attempts(communications: Iterable[Resource], zone: ZoneInfo) -> list[Contact]:
    """The documented attempts that reached nobody, the oldest first."""
    kept = (item for item in communications if item.get("status") != "entered-in-error")
    return _timed((item for item in kept if contact_outcome(item) & ATTEMPTS), zone)


def _timed(communications: Iterable[Resource], zone: ZoneInfo) -> list[Contact]:
    found = [
        Contact(at, contact_time(item), local(item))
        for item in communications
        if (at := moment(contact_time(item), zone)) is not None
    ]
    return sorted(found, key=lambda item: (item.at, item.written, item.ref))


def next_contact(plan: Resource, last: Contact | None, zone: ZoneInfo) -> datetime | None:
    """When the next contact is due: the interval of the acuity in calendar days after the last one, or after the
    plan's start when there was none, at the same time on the clock in ``zone``. None without acuity or start."""
    days = CONTACT_DAYS.get(acuity(plan))
    basis = last.at if last else moment(child(plan, "period", "start"), zone)
    if days is None or basis is None:
        return None
    return basis.astimezone(zone) + timedelta(days=days)


def newest_risk(assessments: Iterable[Resource], zone: ZoneInfo) -> Resource | None:
    """The newest final RiskAssessment, None when there is none."""
    dated = [
        (at, local(item), item)
        for item in assessments
        if word(item) in _FINAL
        and (at := moment(item.get("occurrenceDateTime") or child(item, "occurrencePeriod", "end"), zone))
    ]
    return max(dated, key=lambda item: item[:2])[2] if dated else None


def tier(assessment: Resource | None) -> str:
    """The code of risk-probability that an assessment gives, or ""."""
    given = [code(item.get("qualitativeRisk"), RISK_PROBABILITY) for item in objects(child(assessment, "prediction"))]
    return next((item for item in given if item), "")
