"""The log of contacts: when, how, with whom, what came of it; and when the next is due."""

from __future__ import annotations

from dataclasses import dataclass

from fhirplan.chart import people
from fhirplan.chart.chips import Chip
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.elements import contact_time, objects
from fhirplan.coordination.state import PlanState
from fhirplan.coordination.vocabulary import INTERACTIVE
from fhirplan.fhir.codec import Resource


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One contact or attempt."""

    id: str
    when: str
    medium: str
    outcome: str
    about: str
    sender: str
    recipients: str
    said: tuple[str, ...]
    minutes: str
    reached: bool
    sync: Chip | None
    restricted: bool


def contacts(world: World) -> tuple[ContactRow, ...]:
    """Every contact, the newest first; one without a time comes last."""
    rows = []
    for item in world.of("Communication"):
        if item.get("status") == "entered-in-error":
            continue
        when = due.moment(contact_time(item), world.zone)
        rows.append((when.timestamp() if when else 0.0, item["id"], item))
    rows.sort(key=lambda entry: (-entry[0], entry[1]))
    return tuple(_row(item, world) for _, _, item in rows)


def _row(item: Resource, world: World) -> ContactRow:
    words = world.words
    outcome = people.contact_outcome_concept(item)
    said = [str(entry.get("contentString") or "") for entry in objects(item.get("payload"))]
    said += [str(entry.get("text") or "") for entry in objects(item.get("note"))]
    return ContactRow(
        id=item["id"],
        when=world.moment(contact_time(item)) or words("missing.time"),
        medium=next((people.label(entry, words) for entry in objects(item.get("medium"))), ""),
        outcome=people.label(outcome, words),
        about=people.label(item.get("topic"), words)
        or next((people.label(entry, words) for entry in objects(item.get("reasonCode"))), ""),
        sender=people.refer(item.get("sender"), world.known, world.words),
        recipients=", ".join(people.refer(entry, world.known, world.words) for entry in objects(item.get("recipient"))),
        said=tuple(text for text in said if text),
        minutes=people.minutes(item),
        reached=people.contact_outcome(item) in INTERACTIVE,
        sync=world.standing(item),
        restricted=people.restricted(item),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """When the patient was last spoken to and is to be next, in words; ``late`` when that time has passed."""

    last: str
    next: str
    late: bool


def clock(made: PlanState, world: World) -> Clock:
    """The contact clock of a plan."""
    due_at = made.next_contact_due
    return Clock(
        last=world.words.moment(made.contact.at, world.now, world.zone) if made.contact else "",
        next=world.words.due(due_at, world.now, world.zone) if due_at else "",
        late=due_at is not None and due_at < world.now,
    )
