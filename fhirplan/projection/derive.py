"""Computes what a patient's record calls for: Lists and Flags to write, and the rows that lists are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import Final

from fhirplan.coordination.alerts import IDENTIFIER as FLAG_IDENTIFIER
from fhirplan.coordination.alerts import alerts, flag_changes
from fhirplan.coordination.case import is_case_management
from fhirplan.coordination.caseload import PlanRow, WorkRow, milliseconds, plan_row, work_rows
from fhirplan.coordination.elements import codes, is_derived, local, objects, target, word
from fhirplan.coordination.horizon import alert_change, next_change
from fhirplan.coordination.labels import labelled
from fhirplan.coordination.state import PlanState, state
from fhirplan.coordination.vocabulary import LIST_CODE
from fhirplan.coordination.worklist import IDENTIFIER as LIST_IDENTIFIER
from fhirplan.coordination.worklist import changed, list_id, worklist
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import version_id
from fhirplan.store.commit import Change
from fhirplan.store.coordination.ruled import DEVICE, Rules

AUTHOR: Final = DEVICE
"""Who says what is derived, in List.source and Flag.author (guide section 4.3)."""
_ENDED: Final = frozenset({"completed", "revoked", "entered-in-error"})
Row = tuple[PlanRow, Sequence[WorkRow], int | None]


@dataclass(frozen=True, slots=True)
class Derived:
    """What is to be written of a patient: ``changes`` to Lists and Flags, and a row of each plan that has not ended."""

    changes: tuple[Change, ...]
    rows: tuple[Row, ...]


def derive(
    record: World,
    patient: str,
    now: int,
    rules: Rules,
    conflicts: Iterable[str] = (),
    written: Callable[[str], Resource | None] = lambda _ref: None,
) -> Derived:
    """What follows from the record of a patient (id) at ``now``, in milliseconds since 1970; nothing that it holds.

    ``conflicts`` are the references of all resources with an edit on both sides that waits for a person; ``written``
    gives a List as it was derived last where the EHR has changed it since, None where it has not.
    """
    about = f"Patient/{patient}"
    at = rules.local(now)
    plans = [plan for plan in record.of_patient(about, "CarePlan") if is_case_management(plan)]
    flags = list(record.of_patient(about, "Flag"))
    torn = frozenset(conflicts)
    changes = _orphans(record, about, {str(plan["id"]) for plan in plans}, flags, at)
    rows: list[Row] = []
    for plan in sorted(plans, key=local):
        if word(plan) in _ENDED and not _is_shown(record, plan, flags):
            continue
        found = state(record, plan, at, rules.zone)
        flagged, standing = _flags(record, found, flags, at, rules, torn)
        changes += flagged
        made = worklist(found, standing, at, rules.zone, AUTHOR)
        changes += _list(record, written, labelled(made, _sources(record, found, made, standing)))
        if word(plan) not in _ENDED:
            moments = (next_change(found, at, rules.zone), alert_change(record, found, at, rules.zone), _tomorrow(at))
            after = min(item for item in moments if item is not None)
            row = plan_row(found, record.get(about), rules.zone)
            rows.append((row, work_rows(found), milliseconds(after) + 1))
    return Derived(tuple(changes), tuple(rows))


def _tomorrow(at: datetime) -> datetime:
    """The next midnight, by which what is counted in days is computed again."""
    return datetime.combine(at.date() + timedelta(days=1), clock_time(), at.tzinfo)


def _is_shown(record: World, plan: Resource, flags: Iterable[Resource]) -> bool:
    """Whether readers are still told something of an ended plan."""
    shown = record.get(f"List/{list_id(str(plan['id']))}")
    return (shown is not None and word(shown) == "current") or any(_plan_of(flag) == plan["id"] for flag in flags)


def _flags(
    record: World, found: PlanState, flags: Sequence[Resource], at: datetime, rules: Rules, torn: frozenset[str]
) -> tuple[list[Change], list[Resource]]:
    """The changes of Flags, and the Flags that are active after them."""
    own = [local(item) for item in (found.plan, *found.tasks, *(goal.goal for goal in found.goals))]
    own += _teams(found.plan)
    wanted = alerts(
        record, found, at, rules.zone, conflicts=[ref for ref in own if ref in torn], holidays=rules.holidays
    )
    made = flag_changes(found, wanted, flags, at, AUTHOR)
    raised = [_guarded(record, {**flag, "id": rules.new_id()}) for flag in made.raised]
    changes = [Change("create", "Flag", str(flag["id"]), flag) for flag in raised]
    changes += [_updated(flag) for flag in made.cleared]
    mine = []
    for flag in made.standing:
        if _plan_of(flag) in ("", found.plan["id"]):
            mine.append(_guarded(record, flag) if is_derived(flag) else flag)
            if mine[-1] != flag:
                changes.append(_updated(mine[-1]))
    return changes, [*mine, *raised]


def _guarded(record: World, flag: Resource) -> Resource:
    """A Flag with the labels of what it is about."""
    about = (target(item.get("valueReference")) for item in objects(flag.get("extension")))
    return labelled(flag, [flag, *(item for ref in about if (item := record.get(ref)) is not None)])


def _sources(record: World, found: PlanState, made: Resource, flags: Iterable[Resource]) -> list[Resource]:
    """What a List is derived from: what its entries refer to, and the risk that its summary tells."""
    refs = [target(entry.get("item")) for entry in objects(made.get("entry"))]
    stored = [item for ref in refs if (item := record.get(ref)) is not None]
    return [*stored, *flags, *([found.risk] if found.risk else [])]


def _teams(plan: Resource) -> list[str]:
    return [str(item.get("reference")) for item in objects(plan.get("careTeam"))]


def _list(record: World, written: Callable[[str], Resource | None], made: Resource) -> list[Change]:
    """The change of a List that says something else than before.

    Where an EHR stores it in its own way, writing it again for that alone would go on for ever.
    """
    ref = local(made)
    stored = record.get(ref)
    if stored is None:
        return [Change("create", "List", made["id"], made)]
    if not changed(stored, made) or not changed(written(ref), made):
        return []
    return [_updated(made, stored)]


def _updated(made: Resource, stored: Resource | None = None) -> Change:
    number = version_id(stored or made)
    return Change("update", made["resourceType"], str(made["id"]), made, int(number) if number.isdigit() else None)


def _orphans(record: World, about: str, plans: set[str], flags: Iterable[Resource], at: datetime) -> list[Change]:
    """Lists and Flags of plans that are not there any more (deleted, or no case-management plan now)."""
    written = at.isoformat(timespec="seconds")
    gone = [
        _updated({**flag, "status": "inactive", "period": {**(flag.get("period") or {}), "end": written}})
        for flag in flags
        if word(flag) == "active" and is_derived(flag) and _plan_of(flag) not in ("", *plans)
    ]
    lists = [
        item
        for item in record.of_patient(about, "List")
        if word(item) == "current"
        and is_derived(item)
        and "coordination-worklist" in codes(item.get("code"), LIST_CODE)
        and _identified(item, LIST_IDENTIFIER) not in plans
    ]
    return [*gone, *(_updated({**item, "status": "retired"}) for item in lists)]


def _identified(resource: Resource, system: str) -> str:
    found = (
        str(item.get("value") or "") for item in objects(resource.get("identifier")) if item.get("system") == system
    )
    return next(found, "")


def _plan_of(flag: Resource) -> str:
    """The id of the plan that a Flag of ours was raised for; "" for one set by hand."""
    return _identified(flag, FLAG_IDENTIFIER).partition("/")[0]
