"""The way from one setting to the next: its stages in order, which is reached, and by when the next is to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhirplan.chart import codes, people
from fhirplan.chart.world import World
from fhirplan.coordination import transitions
from fhirplan.coordination.elements import child, word
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import FACILITY
from fhirplan.fhir.codec import Resource

STAGES: Final = (
    "anticipated",
    "admitted",
    "discharge-planning",
    "discharge-ready",
    "discharged",
    "handoff-sent",
    "handoff-acknowledged",
    "post-discharge-contact-made",
    "follow-up-visit-completed",
    "stable",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One stage: its words, whether it is behind, here or ahead, and the day that belongs to it."""

    code: str
    text: str
    state: str
    date: str


@dataclass(frozen=True, slots=True)
class Transition:
    """The transition of a plan: the stages, a line that says where it stands, and the stays behind it."""

    steps: tuple[Step, ...]
    stage: str
    line: str
    readmitted: bool
    stays: tuple[str, ...]
    task: str
    version: str


def transition(made: PlanState, world: World) -> Transition | None:
    """The transition that is under way; None when none is."""
    words, task = world.words, made.transition
    if task is None:
        return None
    stage = made.stage
    reached = STAGES.index(stage) if stage in STAGES else len(STAGES) if stage == "transition-closed" else -1
    dates, named = _dates(made, world), dict(codes.choices("cm-transition-stage", words))
    steps = tuple(
        Step(
            name,
            named.get(name, name),
            "done" if index < reached else "now" if index == reached else "ahead",
            dates.get(name, ""),
        )
        for index, name in enumerate(STAGES)
    )
    name = people.label(child(task, "businessStatus"), words)
    line = words("stage.n", n=reached + 1, name=name) if 0 <= reached < len(STAGES) else name
    return Transition(
        steps,
        stage,
        line,
        stage == "readmitted",
        _stays(world),
        str(task["id"]),
        str(child(task, "meta", "versionId") or ""),
    )


def _dates(made: PlanState, world: World) -> dict[str, str]:
    """The day of the admission and discharge, and by when contact and visit are to be."""
    found: dict[str, str] = {}
    stays = [item for item in world.of("Encounter") if word(item.get("class"), "code") in FACILITY]
    stays.sort(key=lambda item: str(child(item, "period", "start") or ""))
    if stays:
        found["admitted"] = world.day(child(stays[-1], "period", "start"))
        found["discharged"] = world.day(child(stays[-1], "period", "end"))
    for stay in transitions.discharges(world.memory, made.plan, made.risk, world.now, world.zone):
        found["post-discharge-contact-made"] = world.words("stage.by", date=_day(stay.call_by, world))
        found["follow-up-visit-completed"] = world.words("stage.by", date=_day(stay.visit_by, world))
    return found


def _day(at: datetime, world: World) -> str:
    return world.words.day(at.astimezone(world.zone).date(), world.today)


def _stays(world: World) -> tuple[str, ...]:
    found = sorted(world.of("Encounter"), key=lambda item: str(child(item, "period", "start") or ""), reverse=True)
    return tuple(_stay(item, world) for item in found)


def _stay(encounter: Resource, world: World) -> str:
    start, end = world.day(child(encounter, "period", "start")), world.day(child(encounter, "period", "end"))
    kind = people.label({"coding": [encounter.get("class")]}, world.words)
    place = people.refer(encounter.get("serviceProvider"), world.known, world.words)
    when = world.words("plan.period", start=start, end=end) if end else world.words("plan.since", date=start)
    return " · ".join(part for part in (kind, place, when) if part)
