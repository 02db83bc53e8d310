"""Says whose chart it is and which plan is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhirplan.chart import people
from fhirplan.chart.chips import Chip
from fhirplan.chart.world import World, in_order
from fhirplan.fhir.codec import Resource


@dataclass(frozen=True, slots=True)
class Header:
    """Who this is about."""

    id: str
    name: str
    age: str
    born: str
    language: str
    phone: str
    short: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan itself."""

    id: str
    title: str
    status: str
    period: str
    lead: str
    categories: tuple[str, ...]
    sync: Chip | None


def header(patient: Resource, world: World) -> Header:
    """The patient's name, age, language and phone, as far as each is known."""
    words, born = world.words, str(patient.get("birthDate") or "")
    years = people.age(born, world.today) if born else None
    listed = [item for item in patient.get("communication") or () if isinstance(item, dict)]
    spoken: dict[str, Any] = next((item for item in listed if item.get("preferred") is not False), {})
    name = people.human_name(patient.get("name")) or str(patient.get("id"))
    return Header(
        id=str(patient.get("id")),
        name=name,
        age=words("head.age", n=years) if years is not None else "",
        born=words("head.born", date=world.day(born)) if born else "",
        language=people.label(spoken.get("language"), words),
        phone=people.phone(patient),
        short=people.given_name(patient.get("name")) or name,
    )


def plan(resource: Resource, world: World) -> Plan:
    """What the page says of a plan."""
    period = resource.get("period") or {}
    start, end = world.day(period.get("start")), world.day(period.get("end"))
    words = world.words
    return Plan(
        id=resource["id"],
        title=people.text_of(resource, "title", words) or str(resource["id"]),
        status=words.state("st", str(resource.get("status") or "unknown")),
        period=words("plan.period", start=start, end=end) if end else words("plan.since", date=start) if start else "",
        lead=people.refer(resource.get("author"), world.known, world.words),
        categories=tuple(text for item in resource.get("category") or () if (text := people.label(item, words))),
        sync=world.standing(resource),
    )


def others(shown: Resource | None, world: World) -> tuple[Plan, ...]:
    """The other plans of the patient."""
    return tuple(plan(item, world) for item in in_order(world.of("CarePlan")) if item is not shown)
