"""Says which alerts a plan calls for, and turns them into Flags, raised once and cleared when over (guide 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.coordination import disclosure, standing, transitions
from fhirplan.coordination.case import Case, is_active_plan
from fhirplan.coordination.closing import fulfills
from fhirplan.coordination.elements import child, codes, is_derived, local, moment, objects, target, word
from fhirplan.coordination.outreach import TRIES, unreached
from fhirplan.coordination.progress import tier
from fhirplan.coordination.state import PlanState, is_high
from fhirplan.coordination.vocabulary import ALERT, FLAG_CATEGORY, FLAG_DETAIL, NEED_DOMAIN, SYNC_TAG
from fhirplan.coordination.world import Change, World, plan_requests
from fhirplan.fhir.codec import Resource

PROFILE: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-alert"
IDENTIFIER: Final = "http://fhirplan.dev/fhir/sid/alert"
DERIVED: Final = {"system": SYNC_TAG, "code": "derived", "display": "Derived by fhirplan"}
BLOCKED_LONG: Final = timedelta(hours=48)
_CONSENT_NOTICE: Final = timedelta(days=30)
_CATEGORIES: Final = {
    "clinical": "Clinical",
    "admin": "Administrative",
    "contact": "Subject Contact",
    "safety": "Safety",
}
# Each alert: what it is called, and its flag category.
KINDS: Final = {
    "high-readmission-risk": ("High readmission risk", "clinical"),
    "overdue-post-discharge-contact": ("Post-discharge contact overdue", "clinical"),
    "overdue-follow-up-visit": ("Follow-up visit overdue", "clinical"),
    "urgent-task-overdue": ("Urgent task overdue", "clinical"),
    "no-lead-case-manager": ("No lead case manager", "admin"),
    "goal-off-track": ("Goal off track", "clinical"),
    "service-blocked": ("Service blocked", "admin"),
    "no-recent-contact": ("No contact within cadence", "contact"),
    "unable-to-reach": ("Unable to reach", "contact"),
    "consent-expiring": ("Consent missing or expiring", "admin"),
    "safety-concern": ("Safety concern", "safety"),
    "sync-conflict": ("Conflicting changes", "admin"),
    "readmitted": ("Readmitted within 30 days", "clinical"),
}


@dataclass(frozen=True, slots=True, order=True)
class Alert:
    """One thing that a clinician must see: a code of cm-alert, and what caused it (``Type/id``)."""

    code: str
    item: str


def alerts(
    world: World,
    found: PlanState,
    now: datetime,
    zone: ZoneInfo,
    *,
    conflicts: Iterable[str] = (),
    holidays: Set[date] = frozenset(),
) -> tuple[Alert, ...]:
    """The alerts that hold for a plan at ``now``, in order of code and item.

    ``conflicts`` are the references of the plan's resources that wait for a person to settle an edit on both sides.
    A plan that is neither active nor on hold calls for none. Besides what ``state`` reads: the patient's encounters,
    consents and needs, the plan's teams, and the communications of each open task.
    """
    if word(found.plan) not in ("active", "on-hold"):
        return ()
    made = {Alert("sync-conflict", ref) for ref in conflicts}
    made.update(_of_state(found, now, zone))
    made.update(_of_contacts(world, found, now, zone, holidays))
    made.update(_of_people(world, found, now, zone))
    if found.stage == "readmitted":
        made.add(Alert("readmitted", _readmission(world, found, zone)))
    return tuple(sorted(made))


def _of_state(found: PlanState, now: datetime, zone: ZoneInfo) -> Iterable[Alert]:
    transition = local(found.transition) if found.transition else ""
    unsettled = transition and found.stage not in ("stable", "transition-closed")
    if found.risk and unsettled and tier(found.risk) in ("high", "certain"):
        yield Alert("high-readmission-risk", local(found.risk))
    for item in found.having("overdue"):
        if item.grave:
            yield Alert("urgent-task-overdue", item.ref)
    for item in found.having("blocked"):
        # How long it has been so is not recorded; it has not been touched for that long is what can be known.
        touched = moment(item.task.get("lastModified") or item.task.get("authoredOn"), zone)
        if fulfills(item.task) and touched is not None and touched <= now - BLOCKED_LONG:
            yield Alert("service-blocked", item.ref)
    for goal in found.goals:
        if goal.track == "off-track" and is_high(goal.goal):
            yield Alert("goal-off-track", local(goal.goal))


def _of_contacts(world: World, found: PlanState, now: datetime, zone: ZoneInfo, holidays: Set[date]) -> Iterable[Alert]:
    if found.next_contact_due and found.next_contact_due < now and word(found.plan) == "active":
        yield Alert("no-recent-contact", found.ref)
    for item in found.having("open"):
        tried = world.points("Communication", "basedOn", item.ref)
        if unreached(tried, zone) >= TRIES:
            yield Alert("unable-to-reach", item.ref)
    tasks = list(found.tasks)
    spoken = list(world.of_patient(found.patient, "Communication"))
    for stay in transitions.discharges(world, found.plan, found.risk, now, zone, holidays):
        if transitions.call_overdue(tasks, spoken, stay, now, zone):
            yield Alert("overdue-post-discharge-contact", local(stay.encounter))
        if transitions.visit_overdue(tasks, stay, now, zone):
            yield Alert("overdue-follow-up-visit", local(stay.encounter))


def _readmission(world: World, found: PlanState, zone: ZoneInfo) -> str:
    """The newest stay that is a readmission, or the transition that says there was one."""
    dated = [
        (str(child(stay, "period", "start")), local(stay))
        for stay in world.of_patient(found.patient, "Encounter")
        if transitions.readmission(world, stay, zone) is not None
    ]
    return max(dated)[1] if dated else local(found.transition or found.plan)


def _of_people(world: World, found: PlanState, now: datetime, zone: ZoneInfo) -> Iterable[Alert]:
    case = Case(Change(None, found.plan), world, world, now, zone)
    if is_active_plan(found.plan) and any(standing.has_lead(case)):
        yield Alert("no-lead-case-manager", target((objects(found.plan.get("careTeam")) or [{}])[0]) or found.ref)
    sending = [item for item in plan_requests(world, found.ref) if word(item) in ("active", "on-hold")]
    sending += [item.task for item in found.having("open") if item.type == "send-handoff"]
    for item in sending:
        if about := disclosure.lapsing(world, item, now + _CONSENT_NOTICE, zone):
            yield Alert("consent-expiring", about)
    for need in world.of_patient(found.patient, "Condition"):
        clinical = {word(item, "code") for item in objects(child(need, "clinicalStatus", "coding"))}
        if "safety-violence" in codes(need.get("category"), NEED_DOMAIN) and clinical & {"active", "recurrence"}:
            yield Alert("safety-concern", local(need))


@dataclass(frozen=True, slots=True)
class FlagChanges:
    """What to write so that the Flags say what holds: ``raised`` are new and have no id yet, ``cleared`` are the
    stored ones with their end. ``standing`` stay as they are."""

    raised: tuple[Resource, ...]
    cleared: tuple[Resource, ...]
    standing: tuple[Resource, ...]


def flag_changes(
    found: PlanState, wanted: Sequence[Alert], stored: Iterable[Resource], now: datetime, author: str
) -> FlagChanges:
    """Compares the alerts that hold with the patient's stored Flags.

    Only Flags that carry this plan's identifier and the tag ``derived`` are cleared; one set by hand is left alone,
    and stands for the same alert on the same item. ``author`` is the reference of the fhirplan Device. Giving the
    result back as ``stored`` changes nothing more.
    """
    active = [item for item in stored if word(item) == "active"]
    ours = {ref: flag for flag in active for ref in _values(flag) if ref.startswith(f"{found.plan['id']}/")}
    keys = {_value(found, item): item for item in wanted}
    by_hand = {_about(flag) for flag in active if not is_derived(flag)}
    raised = [
        _flag(found, item, now, author)
        for key, item in keys.items()
        if key not in ours and (item.code, item.item) not in by_hand
    ]
    over = [flag for key, flag in ours.items() if key not in keys and is_derived(flag)]
    written = now.isoformat(timespec="seconds")
    return FlagChanges(
        tuple(raised),
        tuple({**flag, "status": "inactive", "period": {**_period(flag), "end": written}} for flag in over),
        tuple(flag for flag in active if flag not in over),
    )


def _values(flag: Resource) -> list[str]:
    return [
        str(item.get("value") or "") for item in objects(flag.get("identifier")) if item.get("system") == IDENTIFIER
    ]


def _about(flag: Resource) -> tuple[str, str]:
    kind = next(iter(codes(flag.get("code"), ALERT)), "")
    details = [target(item.get("valueReference")) for item in objects(flag.get("extension"))]
    return kind, details[-1] if details else ""


def _period(flag: Resource) -> dict[str, Any]:
    period = flag.get("period")
    return period if isinstance(period, dict) else {}


def _value(found: PlanState, item: Alert) -> str:
    return f"{found.plan['id']}/{item.code}/{item.item.partition('/')[2]}"


def _flag(found: PlanState, item: Alert, now: datetime, author: str) -> Resource:
    display, category = KINDS[item.code]
    details = dict.fromkeys([found.ref, item.item])
    return {
        "resourceType": "Flag",
        "meta": {"profile": [PROFILE], "tag": [DERIVED]},
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{display}</p></div>'},
        "extension": [{"url": FLAG_DETAIL, "valueReference": {"reference": ref}} for ref in details],
        "identifier": [{"system": IDENTIFIER, "value": _value(found, item)}],
        "status": "active",
        "category": [{"coding": [{"system": FLAG_CATEGORY, "code": category, "display": _CATEGORIES[category]}]}],
        "code": {"coding": [{"system": ALERT, "code": item.code, "display": display}]},
        "subject": {"reference": found.patient},
        "period": {"start": now.isoformat(timespec="seconds")},
        "author": {"reference": author},
    }
