"""What the rules may ask of the record, the changes they judge, and the record as it is after those changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fhirplan.coordination.elements import local, patient_of, targets, word
from fhirplan.fhir.codec import Resource


class World(Protocol):
    """The record of one connection, as the rules read it; every reference is ``Type/id``.

    ``points`` is asked only for the elements in ``POINTERS``, each of which is a search parameter, so that a store can
    answer it from its indexes.
    """

    def get(self, ref: str) -> Resource | None:
        """What is stored under a reference, None when nothing is or it is deleted."""

    def points(self, type_: str, element: str, ref: str) -> Sequence[Resource]:
        """The resources of a type that point to ``ref`` by that element."""

    def of_patient(self, patient: str, type_: str) -> Sequence[Resource]:
        """The resources of a type that are about a patient."""

    def behavior(self, action: str) -> str:
        """requiredBehavior of the template action that a Task.instantiatesUri names; "" when it is not known."""


# What ``points`` is asked for, with the search parameter that answers it.
POINTERS: Mapping[tuple[str, str], str] = {
    ("Task", "basedOn"): "based-on",
    ("Task", "partOf"): "part-of",
    ("Task", "focus"): "focus",
    ("ServiceRequest", "basedOn"): "based-on",
    ("Communication", "basedOn"): "based-on",
    ("CarePlan", "careTeam"): "care-team",
    ("CarePlan", "goal"): "goal",
}
_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    type_: tuple(element for owner, element in POINTERS if owner == type_) for type_, _ in POINTERS
}


class MemoryWorld:
    """A record held in memory: all that is known of a patient, say. Its indexes are made when first asked."""

    def __init__(self, resources: Iterable[Resource], behaviors: Mapping[str, str] | None = None) -> None:
        """``behaviors`` maps ``url|version#action`` to its requiredBehavior (see ``templates.behaviors``)."""
        self.known: dict[str, Resource] = {local(item): item for item in resources}
        self._behaviors = behaviors or {}
        self._points: dict[tuple[str, str, str], list[Resource]] | None = None
        self._of_patient: dict[str, dict[str, list[Resource]]] = {}

    def get(self, ref: str) -> Resource | None:
        """See ``World``."""
        return self.known.get(ref)

    def points(self, type_: str, element: str, ref: str) -> Sequence[Resource]:
        """See ``World``."""
        if self._points is None:
            self._points = {}
            for item in self.known.values():
                for owned in _ELEMENTS.get(item["resourceType"], ()):
                    for pointed in dict.fromkeys(targets(item.get(owned))):
                        self._points.setdefault((item["resourceType"], owned, pointed), []).append(item)
        return self._points.get((type_, element, ref), [])

    def of_patient(self, patient: str, type_: str) -> Sequence[Resource]:
        """See ``World``."""
        if type_ not in self._of_patient:
            made: dict[str, list[Resource]] = {}
            for item in self.known.values():
                if item["resourceType"] == type_:
                    made.setdefault(patient_of(item), []).append(item)
            self._of_patient[type_] = made
        return self._of_patient[type_].get(patient, [])

    def behavior(self, action: str) -> str:
        """See ``World``."""
        return self._behaviors.get(action, "")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one resource: ``before`` is None for a create, ``after`` for a delete. Both carry their id."""

    before: Resource | None
    after: Resource | None

    @property
    def ref(self) -> str:
        """``Type/id`` of what changes."""
        return local(self.after or self.before or {"resourceType": ""})

    @property
    def type(self) -> str:
        """The type of what changes."""
        resource = self.after or self.before
        return str(resource["resourceType"]) if resource else ""

    def became(self, element: str, *values: str) -> bool:
        """Whether ``element`` has one of these values now and had another before."""
        found = word(self.after, element)
        return found in values and (word(self.before, element) != found)


class After:
    """The record as it will be when the changes are made: another World, over the one there is."""

    def __init__(self, before: World, changes: Sequence[Change]) -> None:
        self._before = before
        self._changed = {item.ref: item.after for item in changes}
        self._made = MemoryWorld(item.after for item in changes if item.after is not None)

    def get(self, ref: str) -> Resource | None:
        """See ``World``."""
        return self._changed[ref] if ref in self._changed else self._before.get(ref)

    def points(self, type_: str, element: str, ref: str) -> Sequence[Resource]:
        """See ``World``."""
        return self._merged(self._before.points(type_, element, ref), self._made.points(type_, element, ref))

    def of_patient(self, patient: str, type_: str) -> Sequence[Resource]:
        """See ``World``."""
        return self._merged(self._before.of_patient(patient, type_), self._made.of_patient(patient, type_))

    def behavior(self, action: str) -> str:
        """See ``World``."""
        return self._before.behavior(action)

    def _merged(self, stored: Sequence[Resource], made: Sequence[Resource]) -> Sequence[Resource]:
        return [*(item for item in stored if local(item) not in self._changed), *made]


def plan_tasks(world: World, plan: str) -> list[Resource]:
    """The tasks of a plan (guide section 4.4): based on it or its requests, or part of such a task, however deep."""
    waiting = [
        item
        for base in [plan, *map(local, plan_requests(world, plan))]
        for item in world.points("Task", "basedOn", base)
    ]
    found: dict[str, Resource] = {}
    while waiting:
        item = waiting.pop()
        if local(item) not in found and item.get("status") != "entered-in-error":
            found[local(item)] = item
            waiting.extend(world.points("Task", "partOf", local(item)))
    return [found[ref] for ref in sorted(found)]


def plan_requests(world: World, plan: str) -> Sequence[Resource]:
    """The service requests of a plan."""
    return world.points("ServiceRequest", "basedOn", plan)


def plans_of(world: World, task: Resource) -> list[Resource]:
    """The plans a task belongs to: directly, through a service request, or through the task it is part of."""
    found: dict[str, Resource] = {}
    seen: set[str] = set()
    waiting = [task]
    while waiting:
        item = waiting.pop()
        for ref in (*targets(item.get("basedOn")), *targets(item.get("partOf"))):
            if ref in seen:
                continue
            seen.add(ref)
            reached = world.get(ref)
            if reached is not None and reached["resourceType"] == "CarePlan":
                found[ref] = reached
            elif reached is not None and reached["resourceType"] in ("ServiceRequest", "Task"):
                waiting.append(reached)
    return list(found.values())
