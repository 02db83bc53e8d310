"""Judges changes by the coordination rules before they are committed, and adds what follows from them.

Every way into the record goes through here, between the reading of the current versions and the commit, inside the
same transaction: the API's interactions, a resolved conflict, a loaded file and what comes from an EHR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination import acknowledge, world
from fhirplan.coordination.consequences import Consequence, consequences
from fhirplan.coordination.elements import local
from fhirplan.coordination.lifecycle import applied, touched
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.rules import RULES, findings
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.store.commit import Change
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

DEVICE: Final = "Device/fhirplan"
"""Who says what the server itself says, in Flag.author, List.source and Task.requester (guide section 4.3)."""
JUDGED: Final = RULES.keys() | MACHINES.keys()
"""The types that have rules; a change of any other is committed as it is."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How changes are judged: the patients' time zone, unused ids, requiredBehavior of template actions, holidays."""

    zone: ZoneInfo
    new_id: Callable[[], str]
    behaviors: Mapping[str, str]
    holidays: Set[date] = frozenset()

    def local(self, now: int) -> datetime:
        """A time in milliseconds since 1970 as it is in the patients' zone."""
        return datetime.fromtimestamp(now / 1000, UTC).astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class Ruled:
    """What is to be committed: the changes as they were given, with what the server adds to them, then ``following``.

    ``found`` has the findings of each of the changes, in their order. ``proposed`` is only shown to a person.
    """

    changes: tuple[Change, ...]
    following: tuple[Change, ...]
    found: tuple[tuple[Issue, ...], ...]
    proposed: tuple[Consequence, ...] = ()

    @property
    def all(self) -> list[Change]:
        """Everything, in the order in which it is to be committed."""
        return [*self.changes, *self.following]


def touched_ahead(change: Change, now: int, rules: Rules) -> Change:
    """The change with what is added to it whatever is stored, so that its index rows can be found before it is."""
    if change.resource is None or change.type != "Task":
        return change
    return replace(change, resource=touched(change.resource, rules.local(now)), rows=None)


def ruled(
    tx: Transaction,
    connection: str,
    changes: Sequence[Change],
    now: int,
    rules: Rules,
    *,
    lenient: bool = False,
    additions: bool = True,
    following: bool = True,
    record: StoredRecord | None = None,
) -> Ruled:
    """Judges changes of one transaction; ``now`` is in milliseconds since 1970. Refusing is up to the caller.

    With ``lenient`` every error is a warning, for what an EHR says and where our rules are not asked for. Without
    ``additions`` the changes stay as they are, without ``following`` nothing follows from them. ``record`` is given
    by whoever wants to know what was read, or has only some of it weighed: a finding tells what it was found in.
    """
    if not any(change.type in JUDGED for change in changes):
        return Ruled(tuple(changes), (), tuple(() for _ in changes))
    record = record or StoredRecord(tx, connection, rules.behaviors)
    at = rules.local(now)
    before = [_before(record, change) if change.type in JUDGED else None for change in changes]
    if any(_is_stale(change, old) for change, old in zip(changes, before, strict=True)):
        # The commit refuses it, so that its caller reads again; judged against a version it never saw, it would be
        # refused for something else.
        return Ruled(tuple(changes), (), tuple(() for _ in changes))
    made = [
        _with_additions(change, old, at) if additions else change for change, old in zip(changes, before, strict=True)
    ]
    judged = [world.Change(old, _named(change)) for change, old in zip(made, before, strict=True)]
    found: dict[str, list[Issue]] = {}
    for item in findings(record, judged, at, rules.zone, imported=lenient, holidays=rules.holidays):
        found.setdefault(item.ref, []).append(item.issue)
    told = tuple(tuple(found.get(f"{change.type}/{change.id}", ())) for change in made)
    if not following:
        return Ruled(tuple(made), (), told)
    onward = consequences(record, judged, at, rules.zone)
    write = [item for item in onward if item.kind == "write"]
    proposed = tuple(item for item in onward if item.kind == "propose")
    return Ruled(*_merged(made, write, rules.new_id), told, proposed)


def noticed(
    tx: Transaction, connection: str, version: Version, now: int, rules: Rules, *, torn: bool = False
) -> list[Change]:
    """What tells the lead of a plan that the EHR changed the resource of a version, to be committed with it."""
    if version.deleted or version.type not in acknowledge.TYPES:
        return []
    record, at = StoredRecord(tx, connection, rules.behaviors), rules.local(now)
    found = acknowledge.notices(
        record,
        version.resource(),
        version.version,
        at,
        rules.zone,
        requester=DEVICE,
        torn=torn,
        holidays=rules.holidays,
    )
    return list(_merged([], list(found), rules.new_id)[1])


def _before(record: StoredRecord, change: Change) -> Resource | None:
    # A create finds nothing under its id, or fails in the commit.
    return None if change.method == "create" else record.get(f"{change.type}/{change.id}")


def _is_stale(change: Change, before: Resource | None) -> bool:
    """Whether a change was made to another version than the one that is stored."""
    if before is None or not change.expected:
        return False
    return (before.get("meta") or {}).get("versionId") != str(change.expected)


def _with_additions(change: Change, before: Resource | None, now: datetime) -> Change:
    if change.resource is None or change.type not in JUDGED:
        return change
    made = applied(before, change.resource, now)
    return change if made == change.resource else replace(change, resource=made, rows=None)


def _named(change: Change) -> Resource | None:
    """The resource with its id, which that of a create does not have yet."""
    if change.resource is None or change.resource.get("id") == change.id:
        return change.resource
    return {**change.resource, "id": change.id}


def _merged(
    changes: list[Change], following: list[Consequence], new_id: Callable[[], str]
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The changes, each with what follows for the same resource in it, and what follows for others."""
    by_ref = {f"{change.type}/{change.id}": place for place, change in enumerate(changes)}
    made, more = list(changes), list[Change]()
    for item in following:
        if item.is_new:
            id_ = new_id()
            more.append(Change("create", item.resource["resourceType"], id_, item.resource))
        elif (place := by_ref.get(local(item.resource))) is not None:
            made[place] = replace(made[place], resource=item.resource, rows=None)
        else:
            type_, _, id_ = local(item.resource).partition("/")
            more.append(Change("update", type_, id_, item.resource))
    return tuple(made), tuple(more)
