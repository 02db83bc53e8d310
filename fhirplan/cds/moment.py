"""What a service works with at one call: the record, the plans and their state, the time, and until when to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fhirplan.cds.call import Call
from fhirplan.coordination import disclosure
from fhirplan.coordination.elements import code, local
from fhirplan.coordination.state import PlanState, WorkItem
from fhirplan.coordination.vocabulary import TASK_TYPE
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource


@dataclass(frozen=True, slots=True)
class Moment:
    """One patient's plans at one call. ``conflicts`` are the references of what both sides changed; ``theirs`` gives
    the EHR's reference of one of ours, "" where it has none."""

    call: Call
    world: World
    patient: str
    plans: tuple[PlanState, ...]
    conflicts: frozenset[str]
    encounter: Resource | None
    theirs: Callable[[str], str]
    now: datetime
    zone: ZoneInfo

    def shown(self, items: list[WorkItem]) -> list[WorkItem]:
        """Work items without those that carry, or point at, substance-use records: those go to nobody by this way."""
        return [item for item in items if not self.hidden(item.task)]

    def hidden(self, resource: Resource) -> bool:
        """Whether a resource is of the kind that this way tells nothing of (42 CFR Part 2)."""
        return bool(disclosure.sensitive_at(self.world, resource))

    def day(self, when: datetime) -> str:
        """A day as people write it, with the time unless it is the end of the day."""
        there = when.astimezone(self.zone)
        text = f"{there:%a} {there.day} {there:%b}" + ("" if there.year == self.now.year else f" {there.year}")
        return text if (there.hour, there.minute) == (23, 59) else f"{text} {there:%H:%M}"

    def line(self, item: WorkItem) -> str:
        """One task in one line: what, when, who."""
        when = f", due {self.day(item.state.due)}" if item.state.due else ""
        owner = item.task.get("owner")
        who = str(owner.get("display") or "") if isinstance(owner, Mapping) else ""
        return title(item.task) + when + (f" ({who})" if who else "" if item.task.get("owner") else " (nobody has it)")


def title(task: Resource) -> str:
    """What a task is called: its own words, or its type's."""
    concept = task.get("code")
    concept = concept if isinstance(concept, dict) else {}
    codings = concept.get("coding")
    first = codings[0] if isinstance(codings, list) and codings and isinstance(codings[0], dict) else {}
    said = concept.get("text") or task.get("description") or first.get("display") or code(concept, TASK_TYPE)
    return str(said or local(task))
