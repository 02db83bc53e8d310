"""Judges the move from a stored version to a new one, and applies what the server adds to it (guide section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from fhirplan.coordination.elements import child, code, word
from fhirplan.coordination.moves import ACHIEVEMENT, MACHINES, Machine
from fhirplan.coordination.vocabulary import BUSINESS_STATUS, GOAL_ACHIEVEMENT, WAITING
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import same_content

IMPORTED: Final = "cm-sm-import"
_ELSEWHERE: Final = (
    "What has a history from elsewhere is brought in with fhirplan load, which takes it as it stands, or by the sync."
)
# On leaving on-hold the reason for it falls away, unless the new state must give a reason of its own (cm-tk-3).
_REASONED: Final = frozenset({"on-hold", "rejected", "cancelled", "failed"})


def judge(stored: Resource | None, new: Resource, *, imported: bool = False) -> tuple[Issue, ...]:
    """What is wrong with a move: errors code business-rule (cm-sm-*), warnings for a step that was left out.

    ``stored`` is None for a create, which is judged by the initial states. With ``imported`` what would be an error
    becomes a warning cm-sm-import, because an EHR owns its record.
    """
    found = [*_moved(stored, new), *_intent(stored, new), *_achievement(new)]
    if imported:
        found = [replace(item, severity="warning", rule=IMPORTED) if item.is_error else item for item in found]
    return tuple(found)


def _moved(stored: Resource | None, new: Resource) -> Iterator[Issue]:
    kind = new["resourceType"]
    machine = MACHINES.get(kind)
    if machine is None:
        return
    place = f"{kind}.{machine.element}"
    to = word(new, machine.element)
    if stored is None:
        if machine.initial and to in machine.table and to not in machine.initial:
            begins = _or(sorted(machine.initial))
            yield _refused(machine, place, f"A {kind} cannot begin as {to}. It begins as {begins}. {_ELSEWHERE}")
        return
    come_from = word(stored, machine.element)
    steps = machine.table.get(come_from)
    if steps is None or to == come_from:
        return
    step = steps.get(to)
    if step is None:
        yield _refused(machine, place, _explained(machine, kind, come_from, to))
    elif step == "w":
        yield Issue(
            "warning",
            "business-rule",
            f"This {kind} went from {come_from} to {to} and left out a step. Check that nothing was missed.",
            place,
            f"{machine.rule}-skip",
        )


def _refused(machine: Machine, place: str, text: str) -> Issue:
    return Issue("error", "business-rule", text, place, machine.rule)


def _explained(machine: Machine, kind: str, come_from: str, to: str) -> str:
    allowed = [f"{state} ({machine.maker(state)})" for state in machine.table[come_from]]
    said = f"A {kind} that is {come_from} cannot become {to or 'without a state'}."
    legal = f"It can become {_or(allowed)}." if allowed else f"{come_from} is an end."
    onward = [state for state in machine.table[come_from] if state != "entered-in-error"]
    return f"{said} {legal}" if onward else f"{said} {legal} {machine.instead}".strip()


def _or(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


def _intent(stored: Resource | None, new: Resource) -> Iterator[Issue]:
    if stored is None or new["resourceType"] != "CarePlan" or stored.get("intent") == new.get("intent"):
        return
    yield Issue(
        "error",
        "business-rule",
        f"The intent of a CarePlan does not change after it was made: it is {stored.get('intent')}, not "
        f"{new.get('intent')}. Make a new CarePlan that replaces this one.",
        "CarePlan.intent",
        "cm-sm-careplan-intent",
    )


def _achievement(goal: Resource) -> Iterator[Issue]:
    """The achievement a goal's lifecycle allows; a coding of another system is left to validation."""
    if goal["resourceType"] != "Goal":
        return
    lifecycle = word(goal, "lifecycleStatus")
    allowed = ACHIEVEMENT.get(lifecycle)
    found: str | None = code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT) or None
    if allowed is None or found in allowed or (found is None and goal.get("achievementStatus") is not None):
        return
    names = sorted(item for item in allowed if item)
    rule = "cm-gl-5" if not names else "cm-sm-goal" if None in allowed else "cm-gl-6" if found else "cm-gl-4"
    yield Issue(
        "error",
        "business-rule" if rule == "cm-sm-goal" else "invariant",
        f"A goal that is {lifecycle} has {'no achievement' if not names else 'the achievement ' + _or(names)}"
        f"{' or none' if names and None in allowed else ''}; this one has {found or 'none'}.",
        "Goal.achievementStatus",
        rule,
    )


def applied(stored: Resource | None, new: Resource, now: datetime) -> Resource:
    """The new version with what the server adds: a copy, or ``new`` itself when there is nothing to add.

    A Task that changes gets lastModified; entering in-progress fills executionPeriod.start when it is empty; leaving
    on-hold removes statusReason and a waiting business status. A Goal whose achievement changes without a new
    statusDate gets the day of ``now``, so give ``now`` in the patient's time zone. Nothing is added to a version
    that says the same as the stored one, so that it stays an update that changes nothing.
    """
    if new["resourceType"] == "Task":
        return _task(stored, new, now)
    if new["resourceType"] == "Goal" and stored is not None:
        return _goal(stored, new, now)
    return new


def touched(task: Resource, now: datetime) -> Resource:
    """A Task whose lastModified is ``now``; never before authoredOn (inv-1), should its writer's clock run ahead."""
    return {**task, "lastModified": _written(_latest(now, child(task, "authoredOn")))}


def _task(stored: Resource | None, new: Resource, now: datetime) -> Resource:
    made = dict(new)
    come_from = word(stored)
    if come_from == "on-hold" and made.get("status") != "on-hold":
        if word(made) not in _REASONED:
            made.pop("statusReason", None)
        if code(made.get("businessStatus"), BUSINESS_STATUS) in WAITING:
            del made["businessStatus"]
    if made.get("status") == "in-progress" and come_from != "in-progress":
        period = made.get("executionPeriod")
        if period is None or (isinstance(period, dict) and not period.get("start")):
            made["executionPeriod"] = {"start": _written(now), **(period or {})}
    if stored is not None and _same_but_for(stored, made, "lastModified"):
        if "lastModified" in stored:
            made["lastModified"] = stored["lastModified"]
        return made
    return touched(made, now)


def _goal(stored: Resource, new: Resource, now: datetime) -> Resource:
    reached, was = (code(item.get("achievementStatus"), GOAL_ACHIEVEMENT) for item in (new, stored))
    if reached == was or new.get("statusDate") not in (None, stored.get("statusDate")):
        return new
    return {**new, "statusDate": now.date().isoformat()}


def _same_but_for(one: Resource, other: Resource, element: str) -> bool:
    first, second = ({key: value for key, value in item.items() if key != element} for item in (one, other))
    return same_content(first, second)


def _latest(now: datetime, authored: object) -> datetime:
    try:
        written = datetime.fromisoformat(authored) if isinstance(authored, str) and "T" in authored else now
    except ValueError:
        return now
    return max(now, written) if written.tzinfo else now


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
