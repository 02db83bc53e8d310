"""What a page is made from: everything known of one patient at a moment, and the words and zone to say it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.chart import chips
from fhirplan.chart.chips import Chip
from fhirplan.chart.words import Words
from fhirplan.coordination import due, state
from fhirplan.coordination.elements import concept_codes, extension_targets
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import BLOCKED_BY, PERTAINS_TO_GOAL
from fhirplan.coordination.world import MemoryWorld
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource

_PLAN_ORDER: Final = {"active": 0, "on-hold": 1, "draft": 2}


@dataclass(frozen=True)
class World:
    """Every resource by reference, the sync state of each that has one, and what was found wrong with each.

    ``sync`` is empty where no EHR is connected, and ``linked`` says which of the two it is. ``me`` is whom the viewer
    acts as (``PractitionerRole/x``), "" when that is not known. ``clinic`` is what the other side is called.
    ``withheld`` are the references of what is stored and not shown to the viewer.
    """

    known: Mapping[str, Resource]
    sync: Mapping[str, str]
    now: datetime
    zone: ZoneInfo
    words: Words
    ehr: str
    findings: Mapping[str, tuple[Issue, ...]] = field(default_factory=dict)
    me: str = ""
    clinic: str = ""
    withheld: frozenset[str] = frozenset()

    @cached_property
    def by_type(self) -> Mapping[str, list[Resource]]:
        """The resources of each type, in their order."""
        made: dict[str, list[Resource]] = {}
        for item in self.known.values():
            made.setdefault(item["resourceType"], []).append(item)
        return made

    @cached_property
    def tasks_naming(self) -> Mapping[tuple[str, str], list[Resource]]:
        """The tasks that name a resource in an extension, by the extension's url and ``Type/id``."""
        made: dict[tuple[str, str], list[Resource]] = {}
        for task in self.of("Task"):
            for url in (BLOCKED_BY, PERTAINS_TO_GOAL):
                for ref in dict.fromkeys(extension_targets(task, url)):
                    made.setdefault((url, ref), []).append(task)
        return made

    @cached_property
    def measured(self) -> Mapping[tuple[str, str], list[Resource]]:
        """The observations by the system and code of what they measure."""
        made: dict[tuple[str, str], list[Resource]] = {}
        for item in self.of("Observation"):
            for one in concept_codes(item.get("code")):
                made.setdefault(one, []).append(item)
        return made

    @cached_property
    def memory(self) -> MemoryWorld:
        """The same record as the coordination rules read it."""
        return MemoryWorld(self.known.values())

    @property
    def today(self) -> date:
        """The day it is in the zone of the page."""
        return self.now.astimezone(self.zone).date()

    def of(self, kind: str) -> list[Resource]:
        """The resources of a type."""
        return self.by_type.get(kind, [])

    def standing(self, resource: Resource) -> Chip | None:
        """The chip that says whether the EHR has a resource; None where no EHR is connected."""
        found = self.sync.get(f"{resource['resourceType']}/{resource['id']}")
        return chips.sync(found, self.ehr, self.words) if found else None

    def day(self, text: Any) -> str:
        """A FHIR date as people write it, with its own precision; "" when there is none."""
        when = due.moment(text, self.zone)
        if not when or len(str(text)) < len("2026-03-02"):
            return self.words.part_of_date(str(text or ""))
        return self.words.date(when.date(), self.today)

    def moment(self, text: Any) -> str:
        """A FHIR dateTime as people write it: with its time where it has one, "" when it is none."""
        when = due.moment(text, self.zone)
        if not when:
            return ""
        return self.words.moment(when, self.now, self.zone) if "T" in str(text) else self.day(text)

    def state_of(self, plan: Resource) -> PlanState:
        """The coordination state of a plan at the page's moment."""
        return state.state(self.memory, plan, self.now, self.zone)


def in_order(plans: Iterable[Resource]) -> list[Resource]:
    """Plans as a page offers them: active before held before draft before the rest, the one begun last first."""
    newest_first = sorted(plans, key=lambda item: str((item.get("period") or {}).get("start") or ""), reverse=True)
    return sorted(newest_first, key=lambda item: _PLAN_ORDER.get(str(item.get("status")), 3))


def chosen(world: World, plan_id: str = "") -> Resource | None:
    """The plan that is asked for, without one the active plan that began last; None when there is none."""
    plans = in_order(world.of("CarePlan"))
    return next((item for item in plans if item["id"] == plan_id), plans[0] if plans and not plan_id else None)
