"""Says what differs between two versions of a resource, field by field, in words a nurse would use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fhirplan.chart import people
from fhirplan.chart.world import World
from fhirplan.coordination.elements import objects
from fhirplan.fhir.codec import Resource

# What is said of each type, by element; what stands in none of these is a detail that says nothing on a ward.
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "CarePlan": (
        "status",
        "title",
        "description",
        "period",
        "category",
        "goal",
        "careTeam",
        "addresses",
        "activity",
        "note",
    ),
    "Goal": (
        "lifecycleStatus",
        "achievementStatus",
        "description",
        "priority",
        "startDate",
        "target",
        "statusReason",
        "addresses",
        "note",
    ),
    "Task": (
        "status",
        "businessStatus",
        "statusReason",
        "code",
        "description",
        "priority",
        "owner",
        "restriction",
        "executionPeriod",
        "output",
        "note",
    ),
    "CareTeam": ("status", "name", "participant"),
    "Condition": ("clinicalStatus", "code", "onsetDateTime", "abatementDateTime", "note"),
    "Communication": ("status", "sent", "medium", "topic", "recipient", "payload", "note"),
    "ServiceRequest": ("status", "code", "performer", "occurrencePeriod", "note"),
    "Appointment": ("status", "start", "description"),
    "Encounter": ("status", "class", "period", "hospitalization"),
    "Observation": ("status", "code", "valueQuantity", "valueCodeableConcept", "effectiveDateTime"),
    "Patient": ("name", "telecom", "address", "birthDate", "deceasedDateTime"),
    "Flag": ("status", "code"),
}
SHOWN: Final = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class Field:
    """One field that differs: its name in words, what it was and what it is; "" where there was or is nothing."""

    name: str
    before: str
    after: str


def difference(before: Resource | None, after: Resource | None, world: World) -> tuple[Field, ...]:
    """The fields in which two versions differ; nothing where one of them is missing."""
    if before is None or after is None:
        return ()
    kind = str(after.get("resourceType"))
    return tuple(
        Field(
            name_of_field(kind, element, world),
            show(before.get(element), world, element),
            show(after.get(element), world, element),
        )
        for element in _FIELDS.get(kind, ())
        if before.get(element) != after.get(element)
    )


def name_of_field(kind: str, element: str, world: World) -> str:
    """What a field is called on the page."""
    for key in (f"field.{kind}.{element}", f"field.{element}"):
        if world.words.has(key):
            return world.words(key)
    return element


def show(value: Any, world: World, element: str = "") -> str:
    """A FHIR value in a few words: a name for a reference, a date as the page writes it, a list by its items."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(text for item in value if (text := show(item, world, element)))
    if isinstance(value, dict):
        return _object(value, world, element)
    if isinstance(value, bool):
        return world.words("yes") if value else world.words("no")
    text = str(value)
    if len(text) >= 10 and text[4:5] == "-" and text[:4].isdigit():
        return world.moment(text) or text
    kind = {"lifecycleStatus": "gl", "status": "ts"}.get(element, "")
    return world.words.state(kind, text) if kind else text


def _object(value: dict[str, Any], world: World, element: str) -> str:
    if "reference" in value or (value.get("display") and "coding" not in value and "system" not in value):
        return people.refer(value, world.known, world.words)
    if "coding" in value:
        return people.label(value, world.words)
    if "value" in value and not isinstance(value["value"], dict):
        return people.quantity(value) if "unit" in value or "code" in value else str(value["value"])
    if value.keys() & {"start", "end"}:
        start, end = world.moment(value.get("start")), world.moment(value.get("end"))
        return world.words("plan.period", start=start or "…", end=end or "…") if start else end
    if value.keys() & {"low", "high"}:
        return f"{people.quantity(value.get('low')) or '…'}\u2013{people.quantity(value.get('high')) or '…'}"
    if "given" in value or "family" in value:
        return people.human_name([value])
    if isinstance(value.get("text"), str):
        return people.label(value, world.words)
    parts = [
        show(item, world)
        for key, item in value.items()
        if key not in ("id", "extension", "url", "system", "type", "use", "div") and not key.startswith("_")
    ]
    return ", ".join(part for part in parts if part)


def added(
    before: list[Resource], after: list[Resource]
) -> tuple[list[Resource], list[Resource], list[tuple[Resource, Resource]]]:
    """What is new, gone and in both, of two sets of resources."""
    old = {f"{item['resourceType']}/{item['id']}": item for item in before}
    new = {f"{item['resourceType']}/{item['id']}": item for item in after}
    return (
        [item for ref, item in new.items() if ref not in old],
        [item for ref, item in old.items() if ref not in new],
        [(old[ref], item) for ref, item in new.items() if ref in old and old[ref] != item],
    )


def is_listed(resource: Resource) -> bool:
    """Whether changes of this resource are shown at all."""
    return resource.get("resourceType") in _FIELDS and not _derived(resource)


def _derived(resource: Resource) -> bool:
    return any(item.get("code") == "derived" for item in objects((resource.get("meta") or {}).get("tag")))
