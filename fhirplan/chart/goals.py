"""The goals of a plan: whose words, target, newest reading, how far from it, and the tasks that serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fhirplan.chart import chips, people, plot
from fhirplan.chart.chips import Chip
from fhirplan.chart.plot import Plot, Reading
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.elements import code, concept_codes, extension_targets, objects, target, targets
from fhirplan.coordination.progress import goal_due
from fhirplan.coordination.vocabulary import GOAL_ACHIEVEMENT, GOAL_PRIORITY, PERTAINS_TO_GOAL
from fhirplan.fhir.codec import Resource

_PURSUED: Final = ("proposed", "planned", "accepted", "active", "on-hold")
_BARRIER: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-barrier"


@dataclass(frozen=True, slots=True)
class GoalRow:
    """One goal; ``target`` and ``last`` are sentences or empty, ``plot`` is None below two numeric readings."""

    id: str
    title: str
    lifecycle: str
    achievement: Chip | None
    priority: str
    due: str
    target: str
    last: str
    sync: Chip | None
    plot: Plot | None = None
    distance: str = ""
    needs: tuple[str, ...] = ()
    barriers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    quote: str = ""
    notes: tuple[str, ...] = ()
    readings: tuple[tuple[str, str, str], ...] = ()
    measured: bool = False
    open: bool = True
    version: str = ""
    reason: str = ""


def goals(plan: Resource | None, world: World) -> tuple[GoalRow, ...]:
    """The goals of a plan, without a plan those of the patient: active first, then by due date."""
    named = set(targets((plan or {}).get("goal")))
    found = [
        item
        for item in world.of("Goal")
        if (f"Goal/{item['id']}" in named or not plan) and item.get("lifecycleStatus") != "entered-in-error"
    ]
    found.sort(key=lambda item: (item.get("lifecycleStatus") != "active", goal_due(item) or "9999", item["id"]))
    return tuple(row(item, world) for item in found)


def missing(plan: Resource | None, world: World) -> int:
    """How many goals a plan names that are not here."""
    return sum(ref not in world.known for ref in targets((plan or {}).get("goal")))


def row(goal: Resource, world: World) -> GoalRow:
    """The row of one goal."""
    words = world.words
    lifecycle = str(goal.get("lifecycleStatus") or "")
    when = due.moment(goal_due(goal), world.zone)
    priority = code(goal.get("priority"), GOAL_PRIORITY)
    readings = _readings(goal, world)
    ref = f"Goal/{goal['id']}"
    return GoalRow(
        id=goal["id"],
        title=people.name_of(goal, world.known, world.words) or goal["id"],
        lifecycle=words.state("gl", lifecycle),
        achievement=chips.achievement(code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT), words),
        priority=words(f"gp.{priority}") if words.has(f"gp.{priority}") else "",
        due=words.due(when, world.now, world.zone) if when and lifecycle in _PURSUED else "",
        target=_target(goal, world),
        last=_last(readings, world),
        sync=world.standing(goal),
        plot=plot.draw(goal, readings, world),
        distance=plot.distance(goal, readings, world),
        needs=tuple(_names(targets(goal.get("addresses")), world)),
        barriers=tuple(_names(extension_targets(goal, _BARRIER), world)),
        tasks=tuple(
            people.name_of(task, world.known, world.words) or task["id"]
            for task in world.tasks_naming.get((PERTAINS_TO_GOAL, ref), ())
        ),
        quote=_own_words(goal),
        notes=tuple(str(item["text"]) for item in objects(goal.get("note")) if item.get("text") and not _is_own(item)),
        readings=tuple(
            (item.text, world.words.moment(item.at, world.now, world.zone), item.id) for item in reversed(readings)
        ),
        measured=any(item.get("measure") for item in objects(goal.get("target"))),
        open=lifecycle in _PURSUED,
        version=str((goal.get("meta") or {}).get("versionId") or ""),
        reason=str(goal.get("statusReason") or ""),
    )


def _is_own(note: Any) -> bool:
    return target(note.get("authorReference")).startswith(("Patient/", "RelatedPerson/"))


def _own_words(goal: Resource) -> str:
    """What the patient or their family said of the goal, or ""."""
    return next((str(item["text"]) for item in objects(goal.get("note")) if item.get("text") and _is_own(item)), "")


def _names(refs: tuple[str, ...], world: World) -> list[str]:
    """What these are called; one that is not here is said to be missing, one without a name is left out."""
    said = (
        people.name_of(world.known[ref], world.known, world.words)
        if ref in world.known
        else world.words("missing.item")
        for ref in refs
    )
    return [name for name in said if name]


def _target(goal: Resource, world: World) -> str:
    words, said = world.words, []
    for item in objects(goal.get("target")):
        span = next(iter(objects(item.get("detailRange"))), {})
        low, high = people.quantity(span.get("low")), people.quantity(span.get("high"))
        between = words("goal.between", low=low, high=high) if low and high else low or high
        value = (
            people.quantity(item.get("detailQuantity"))
            or between
            or people.label(item.get("detailCodeableConcept"), words)
            or str(item.get("detailString") or item.get("detailInteger") or "")
        )
        said.append(" ".join(part for part in (people.label(item.get("measure"), words), value) if part))
    return words("goal.target", what="; ".join(text for text in said if text)) if any(said) else ""


def _readings(goal: Resource, world: World) -> list[Reading]:
    """The numeric observations of what a target measures, the oldest first."""
    measures = {one for item in objects(goal.get("target")) for one in concept_codes(item.get("measure"))}
    found = {item["id"]: item for one in measures for item in world.measured.get(one, ())}
    made = []
    for item in found.values():
        if item.get("status") == "entered-in-error":
            continue
        when = due.moment(item.get("effectiveDateTime") or item.get("effectiveInstant"), world.zone)
        value = item.get("valueQuantity")
        if when and isinstance(value, dict) and (number := plot.number(value.get("value"))) is not None:
            unit = str(value.get("code") or value.get("unit") or "")
            made.append(Reading(when, number, unit, people.quantity(value), str(item["id"])))
    return sorted(made, key=lambda reading: (reading.at, reading.id))


def _last(readings: list[Reading], world: World) -> str:
    if not readings:
        return ""
    date = world.words.moment(readings[-1].at, world.now, world.zone)
    return world.words("goal.last", value=readings[-1].text, date=date)
