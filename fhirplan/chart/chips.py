"""How a state looks: icon, tone and word of each chip (chart design, section 4); never colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.chart.words import Words


@dataclass(frozen=True, slots=True)
class Chip:
    """A small labelled mark: ``icon`` names a drawing of icons.html, ``tone`` a class of chart.css."""

    icon: str
    tone: str
    text: str


TASK: Final = {
    "draft": ("dash-ring", "neutral dashed"),
    "requested": ("offer", "info"),
    "received": ("tray", "info"),
    "accepted": ("dot-ring", "info"),
    "ready": ("ring", "neutral"),
    "in-progress": ("half-ring", "info"),
    "on-hold": ("pause", "wait"),
    "completed": ("check", "ok"),
    "failed": ("cross", "warn"),
    "rejected": ("ban", "warn"),
    "cancelled": ("cross", "neutral"),
    "entered-in-error": ("cross", "neutral struck"),
}
ACHIEVEMENT: Final = {
    "in-progress": ("half-ring", "info"),
    "improving": ("up", "ok"),
    "worsening": ("down", "danger"),
    "no-change": ("flat", "warn"),
    "achieved": ("check", "ok"),
    "sustaining": ("steady", "ok"),
    "not-achieved": ("cross", "warn"),
    "no-progress": ("flat", "warn"),
    "not-attainable": ("ban", "neutral"),
}
SYNC: Final = {
    "ok": ("check", "ok"),
    "waiting": ("hourglass", "wait"),
    "refused": ("triangle", "warn"),
    "conflict": ("fork", "danger"),
    "here": ("note", "neutral"),
    "gone": ("ban", "warn"),
}
PRIORITY: Final = {"urgent": ("chev", "warn"), "asap": ("chev2", "danger"), "stat": ("chev2", "danger solid")}


def task(status: str, words: Words) -> Chip:
    """The chip of a Task.status; an unknown one is shown as it is."""
    icon, tone = TASK.get(status, ("info", "neutral"))
    return Chip(icon, tone, words(f"ts.{status}") if words.has(f"ts.{status}") else status)


def achievement(code: str, words: Words) -> Chip | None:
    """The chip of a Goal.achievementStatus code; None when there is none."""
    if not code:
        return None
    icon, tone = ACHIEVEMENT.get(code, ("info", "neutral"))
    return Chip(icon, tone, words(f"gs.{code}") if words.has(f"gs.{code}") else code)


def sync(state: str, ehr: str, words: Words) -> Chip:
    """The chip that says whether the EHR has what we have."""
    icon, tone = SYNC[state]
    return Chip(icon, tone, words(f"sync.{state}", ehr=ehr))


def priority(code: str, words: Words) -> Chip | None:
    """The chip of a priority above routine."""
    if code not in PRIORITY:
        return None
    icon, tone = PRIORITY[code]
    return Chip(icon, tone, words(f"prio.{code}"))
