"""One change as a rule sees it: with the record before and after the transaction, the time and the zone."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from fhirplan.coordination.elements import code, codes, word
from fhirplan.coordination.vocabulary import PLAN_CATEGORY, PROGRAM, TASK_TYPE
from fhirplan.coordination.world import Change, World
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import Reference, literals, parse


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule judges. ``now`` is in ``zone``; ``holidays`` are no business days.

    ``pointed`` is what the new resource refers to here, each once, in no order.
    """

    change: Change
    before: World
    world: World
    now: datetime
    zone: ZoneInfo
    holidays: Set[date] = frozenset()
    pointed: frozenset[Reference] = frozenset()

    @classmethod
    def of(
        cls, change: Change, before: World, world: World, now: datetime, zone: ZoneInfo, holidays: Set[date]
    ) -> Case:
        """The case of a change, after a look at what it refers to."""
        found = map(parse, literals(change.after))
        pointed = frozenset(item for item in found if item is not None and not item.server)
        return cls(change, before, world, now, zone, holidays, pointed)

    @property
    def new(self) -> Resource:
        """The resource as it will be; empty for a delete, so that no rule finds anything in it."""
        return self.change.after if self.change.after is not None else {"resourceType": ""}


Findings = Iterator[Issue]


def issue(
    severity: Literal["error", "warning"], rule: str, text: str, where: str, code: str = "business-rule"
) -> Issue:
    """A finding of a rule, code business-rule unless the guide says otherwise."""
    return Issue(severity, code, text, where, rule)


def task_type(task: Resource) -> str:
    """The case-management type of a task, or ""."""
    return code(task.get("code"), TASK_TYPE)


def is_case_management(plan: Resource) -> bool:
    """Whether a CarePlan is a case-management plan, to which alone the rules about plans apply."""
    return "case-management" in codes(plan.get("category"), PLAN_CATEGORY)


def is_active_plan(plan: Resource) -> bool:
    """Whether this is a case-management plan in force."""
    return plan.get("resourceType") == "CarePlan" and word(plan) == "active" and is_case_management(plan)


def program(plan: Resource) -> set[str]:
    """The programs of a plan."""
    return codes(plan.get("category"), PROGRAM)
