"""The needs, barriers and strengths of a patient, and what each holds up."""

from __future__ import annotations

from dataclasses import dataclass

from fhirplan.chart import people
from fhirplan.chart.chips import Chip
from fhirplan.chart.world import World
from fhirplan.coordination.elements import child, codes, objects, targets, word
from fhirplan.coordination.vocabulary import BLOCKED_BY, NEED_DOMAIN
from fhirplan.fhir.codec import Resource

NEED_TYPE = "http://fhirplan.dev/fhir/CodeSystem/cm-need-type"
_OVER = frozenset({"inactive", "remission", "resolved"})


@dataclass(frozen=True, slots=True)
class Need:
    """One need, barrier, strength or diagnosis; ``blocks`` are the titles of the tasks it holds up."""

    id: str
    text: str
    kind: str
    type: str
    since: str
    blocks: tuple[str, ...]
    notes: tuple[str, ...]
    over: bool
    sync: Chip | None
    version: str = ""


def needs(plan: Resource | None, world: World) -> tuple[Need, ...]:
    """What the plan addresses, without a plan all conditions: barriers first, what is over last."""
    named = set(targets((plan or {}).get("addresses")))
    found = [item for item in world.of("Condition") if f"Condition/{item['id']}" in named or not plan or _type(item)]
    order = {"barrier": 0, "need": 1, "strength": 2}
    made = [_need(item, world) for item in found]
    return tuple(sorted(made, key=lambda item: (item.over, order.get(item.type, 3), item.text)))


def _type(condition: Resource) -> str:
    return next(iter(sorted(codes(condition.get("category"), NEED_TYPE))), "")


def _need(item: Resource, world: World) -> Need:
    ref = f"Condition/{item['id']}"
    clinical = {word(entry, "code") for entry in objects(child(item, "clinicalStatus", "coding"))}
    category = next((entry for entry in objects(item.get("category")) if codes(entry, NEED_TYPE)), None)
    return Need(
        id=item["id"],
        text=people.label(item.get("code"), world.words),
        kind=people.label(category, world.words) if category else world.words("need.diagnosis"),
        type=_type(item),
        since=world.day(item.get("onsetDateTime") or item.get("recordedDate")),
        blocks=tuple(
            people.name_of(task, world.known, world.words) or task["id"]
            for task in world.tasks_naming.get((BLOCKED_BY, ref), ())
        ),
        notes=tuple(str(entry["text"]) for entry in objects(item.get("note")) if entry.get("text")),
        over=bool(clinical & _OVER),
        sync=world.standing(item),
        version=str(child(item, "meta", "versionId") or ""),
    )


def barriers(world: World) -> list[tuple[str, str]]:
    """The barriers and needs that can hold a task up: reference and words."""
    return [
        (f"Condition/{item['id']}", people.label(item.get("code"), world.words))
        for item in world.of("Condition")
        if _type(item) in ("barrier", "need")
    ]


def domain(condition: Resource) -> str:
    """The domain of a need as a code, or ""."""
    return next(iter(sorted(codes(condition.get("category"), NEED_DOMAIN))), "")
