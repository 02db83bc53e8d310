"""What changed since somebody last looked: who, when, on which side, and what it was before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fhirplan.chart import people
from fhirplan.chart.difference import Field, difference, is_listed
from fhirplan.chart.world import World
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.coordination import looks
from fhirplan.store.coordination.looks import Changed, Look
from fhirplan.store.engine import Transaction

FROM_EHR: Final = "ehr"
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change: its number, when, who by name, whether the EHR made it, what was done, and the fields.

    ``ref`` is ``Type/id`` of what changed, ``seen`` whether the viewer marked it so, ``mine`` whether they made it.
    """

    number: int
    when: str
    day: str
    who: str
    theirs: bool
    what: str
    title: str
    kind: str
    ref: str
    fields: tuple[Field, ...]
    seen: bool
    mine: bool


def since(
    tx: Transaction, connection: str, patient: str, viewer: str, world: World, *, count: int = MOST, all_: bool = False
) -> tuple[Look, tuple[ChangeRow, ...]]:
    """How far the viewer has seen, and what changed since, newest first; with ``all_`` also what they have seen."""
    look = looks.of(tx, connection, viewer, patient)
    found = looks.changes(tx, connection, patient, after=0 if all_ else look.until, count=count)
    return look, tuple(_rows(tx, connection, found, look, viewer, world))


def unseen(tx: Transaction, connection: str, patient: str, viewer: str, shown: World | None = None) -> int:
    """How many changes of shown types others made since the viewer last looked.

    With ``shown`` only what changed in the resources that it has is counted, where anything is withheld in it.
    """
    look = looks.of(tx, connection, viewer, patient)
    found = looks.changes(tx, connection, patient, after=look.until, count=MOST)
    if shown is not None and shown.withheld:
        found = [item for item in found if f"{item.type}/{item.id}" in shown.known]
    return sum(item.actor == FROM_EHR and item.type in _COUNTED and not look.seen(item.number) for item in found)


_COUNTED: Final = frozenset({"CarePlan", "Goal", "Task", "CareTeam", "Condition", "Communication", "ServiceRequest"})


def _rows(
    tx: Transaction, connection: str, found: Iterable[Changed], look: Look, viewer: str, world: World
) -> Iterable[ChangeRow]:
    for item in found:
        after = _at(tx, connection, item, item.version)
        before = _at(tx, connection, item, item.version - 1)
        shown = after or before
        if shown is None or not is_listed(shown):
            continue
        yield row(item, before, after, look, viewer, world)


def row(
    item: Changed, before: Resource | None, after: Resource | None, look: Look, viewer: str, world: World
) -> ChangeRow:
    """The row of one change, from the versions before and after it."""
    words = world.words
    at = datetime.fromtimestamp(item.at / 1000, UTC)
    theirs = item.actor == FROM_EHR
    done = "added" if before is None else "removed" if after is None else "changed"
    return ChangeRow(
        number=item.number,
        when=words.moment(at, world.now, world.zone),
        day=words.day(at.astimezone(world.zone).date(), world.today),
        who=_who(item.actor, viewer, world),
        theirs=theirs,
        what=words(f"change.{done}"),
        title=people.name_of(after or before, world.known, world.words),
        kind=words.state("type", item.type),
        ref=f"{item.type}/{item.id}",
        fields=difference(before, after, world),
        seen=look.seen(item.number),
        mine=item.actor == viewer and not theirs,
    )


def _who(actor: str, viewer: str, world: World) -> str:
    if actor == FROM_EHR:
        return world.ehr
    if actor == "merge":
        return world.words("who.merge")
    if actor in ("anybody", "operator", ""):
        return world.words("who.here")
    if actor == viewer:
        return world.words("who.you")
    return people.name_of(world.known.get(actor), world.known, world.words) or world.words("who.here")


def _at(tx: Transaction, connection: str, item: Changed, version: int) -> Resource | None:
    if version < 1:
        return None
    found = versions.at(tx, connection, item.type, item.id, version)
    return found.resource() if found and not found.deleted else None
