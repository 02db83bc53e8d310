"""Says what is most urgent of a plan, in one sentence, and which alerts hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.chart import people
from fhirplan.chart.tasks import TaskRow
from fhirplan.chart.world import World
from fhirplan.coordination.elements import codes, extension_targets, word
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import ALERT, FLAG_DETAIL
from fhirplan.fhir.codec import Resource

_TONES: Final = {"critical": "danger", "attention": "warn", "on-track": "ok"}


@dataclass(frozen=True, slots=True)
class Urgent:
    """The sentence, how urgent it is, how many more there are, and the task it is about ("" for none)."""

    sentence: str
    tone: str
    more: str
    task: str


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert that holds: its words, with which task or goal it is about or else since when, and its tone."""

    text: str
    tone: str


def urgent(rows: tuple[TaskRow, ...], world: World) -> Urgent:
    """What to do first: the gravest overdue task, else what is due soon, untaken, or waiting."""
    words = world.words
    overdue = [row for row in rows if row.tone == "overdue"]
    if overdue:
        first = overdue[0]
        text = _sentence(f"{first.title}: {first.due}")
        if first.business_status:
            text += f" {_sentence(first.business_status)}"
        return Urgent(text, "danger" if first.priority is not None else "warn", _more(len(overdue), world), first.id)
    soon = [row for row in rows if row.tone == "soon"]
    if soon:
        return Urgent(_sentence(f"{soon[0].title}: {soon[0].due}"), "warn", _more(len(soon), world), soon[0].id)
    free = [row for row in rows if not row.taken]
    if free:
        return Urgent(words("say.unassigned", what=free[0].title), "warn", _more(len(free), world), free[0].id)
    waiting = [row for row in rows if row.blocked]
    if waiting:
        return Urgent(words("say.blocked", n=len(waiting), what=waiting[0].title), "wait", "", waiting[0].id)
    return Urgent(words("say.calm"), "ok", "", "")


def _sentence(text: str) -> str:
    """The words with a full stop, which an abbreviation at their end (``3:00 p. m.``) brings along."""
    return text if text.endswith(".") else f"{text}."


def _more(count: int, world: World) -> str:
    return world.words("say.more", n=count - 1) if count > 1 else ""


def overall(made: PlanState, world: World) -> tuple[str, str]:
    """The overall state of a plan, and its tone."""
    return world.words(f"state.{made.overall}"), _TONES[made.overall]


def alerts(world: World) -> tuple[AlertLine, ...]:
    """The Flags that stand for this patient, safety first."""
    found = [item for item in world.of("Flag") if word(item) == "active"]
    found.sort(key=lambda item: "safety-concern" not in codes(item.get("code"), ALERT))
    return tuple(_alert(item, world) for item in found)


def _alert(flag: Resource, world: World) -> AlertLine:
    words = world.words
    text = people.label(flag.get("code"), words)
    is_grave = bool(codes(flag.get("code"), ALERT) & {"safety-concern", "readmitted"})
    about = [ref for ref in extension_targets(flag, FLAG_DETAIL) if ref.startswith(("Task/", "Goal/"))]
    named = next(filter(None, (people.name_of(world.known.get(ref), world.known, words) for ref in about)), "")
    since = world.day((flag.get("period") or {}).get("start"))
    if named:
        # Several alerts of one kind would else be told apart by nothing.
        text = words("alert.of", what=text, which=named)
    elif since:
        text = words("alert.since", what=text, date=since)
    return AlertLine(text, "danger" if is_grave else "warn")
