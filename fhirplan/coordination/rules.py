"""Runs the cross-resource rules over the changes of one transaction (case-management guide, section 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination import closing, disclosure, lifecycle, outreach, references, standing
from fhirplan.coordination.case import Case, Findings
from fhirplan.coordination.world import After, Change, World
from fhirplan.errors import InvalidResource, Issue, NotPermitted

Rule = Callable[[Case], Findings]


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue and the change it is about (``Type/id``), so that a transaction can name its entry."""

    ref: str
    issue: Issue


def _disclosed(case: Case) -> Findings:
    """cm-x-25. Reads what the change refers to, the roles of its recipients, and the patient's consents."""
    return disclosure.undisclosed(case.change, case.world, case.now, case.zone)


# In the order in which findings are told: errors of identity first. cm-x-03, 19 and 22 have consequences besides
# (see ``consequences``); cm-x-04, 05, 11 to 13 and 16 are derived (see ``state`` and ``alerts``); cm-x-30 is If-Match.
_ALL: Final[tuple[Rule, ...]] = (references.one_patient, references.resolves, references.no_cycle)
RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "CarePlan": (
        *_ALL,
        standing.has_lead,
        closing.plan_completed,
        closing.plan_revoked,
        standing.over_time,
        standing.has_review,
        standing.one_of_a_kind,
        standing.qualified,
    ),
    "Goal": (*_ALL, closing.goal_ended, outreach.goal_attainable, outreach.after_death),
    "CareTeam": (*_ALL, standing.qualified),
    "Condition": _ALL,
    "Task": (
        *_ALL,
        _disclosed,
        outreach.business_status,
        closing.child_open,
        outreach.really_reached,
        closing.parent_ended,
        closing.closed_loop,
        standing.owner_known,
        outreach.after_death,
    ),
    "ServiceRequest": (*_ALL, _disclosed, closing.closed_loop, closing.open_loop),
    "Communication": (*_ALL, _disclosed, outreach.third_attempt),
    "Encounter": (outreach.follow_up,),
    "Patient": (outreach.after_death,),
}


def findings(
    before: World,
    changes: Sequence[Change],
    now: datetime,
    zone: ZoneInfo,
    *,
    imported: bool = False,
    holidays: Set[date] = frozenset(),
) -> tuple[Finding, ...]:
    """What is wrong with a transaction: the moves of each change (``lifecycle.judge``) and the rules over the record
    as it is after all of them. ``before`` is the record without the changes.

    With ``imported`` every error becomes a warning. An issue of code ``forbidden`` calls for 403, other errors for
    422; ``refuse`` raises them. Types without rules give nothing.
    """
    after = After(before, changes)
    local_now = now.astimezone(zone)
    found: list[Finding] = []
    for change in changes:
        if change.after is None:
            continue
        found.extend(
            Finding(change.ref, item) for item in lifecycle.judge(change.before, change.after, imported=imported)
        )
        rules = RULES.get(change.type, ())
        if not rules:
            continue
        case = Case.of(change, before, after, local_now, zone, holidays)
        for rule in rules:
            for item in rule(case):
                found.append(Finding(change.ref, _level(item, imported)))
    return tuple(found)


def _level(item: Issue, imported: bool) -> Issue:
    return replace(item, severity="warning") if imported and item.is_error else item


def refuse(issues: Iterable[Issue]) -> None:
    """Raises NotPermitted when something is forbidden, InvalidResource when something else is an error."""
    listed = tuple(issues)
    errors = [item for item in listed if item.is_error]
    if any(item.code == "forbidden" for item in errors):
        raise NotPermitted([item for item in errors if item.code == "forbidden"])
    if errors:
        raise InvalidResource(listed)
