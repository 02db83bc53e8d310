"""One type's pull while it runs: how far it has come, what it may not pass, and its transactions."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fhirplan.ehr.discovery import TypeCapability
from fhirplan.ehr.vendors.open import OPEN
from fhirplan.ehr.vendors.vendor import Vendor
from fhirplan.store.engine import Transaction
from fhirplan.sync.instants import instant
from fhirplan.sync.points import Point, reached
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides

# Ties at the boundary, clocks of several EHR nodes and transactions under way: look back this far, every time.
OVERLAP: Final = timedelta(seconds=30)


class _Undo(Exception):
    """Rolls a dry run's transaction back."""


class Listed:
    """Which ids the EHR listed: eight bytes for each, as there may be a million."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._sorted = 0

    def add(self, ehr_id: str) -> None:
        """Notes one."""
        self._hashes.append(hash(ehr_id))

    def __contains__(self, ehr_id: str) -> bool:
        """Whether it was noted; of two ids with the same hash, which hardly happens, the second seems to be, too."""
        if self._sorted != len(self._hashes):
            self._hashes = array("q", sorted(self._hashes))
            self._sorted = len(self._hashes)
        place = bisect_left(self._hashes, hash(ehr_id))
        return place < self._sorted and self._hashes[place] == hash(ehr_id)


@dataclass(slots=True)
class Course:
    """One type's pull while it runs. ``since`` is the checkpoint it began with, "" when everything is listed.

    ``began`` is when, in milliseconds. ``again`` has what the EHR refused before asked for at once. ``capped`` is set
    once the EHR cut a list short, ``cut`` where it kept back what it may show us, so that the checkpoint must not pass
    that; ``hidden`` are the patients of whom it refused to list any.
    """

    sides: Sides
    capability: TypeCapability
    tally: Tally
    dry: bool
    since: str
    newest: str
    began: int
    vendor: Vendor = OPEN
    held_back: str = ""
    capped: bool = False
    cut: bool = False
    again: bool = False
    hidden: set[str] = field(default_factory=set)
    listed: Listed = field(default_factory=Listed)

    @property
    def type(self) -> str:
        """The type that is pulled."""
        return self.capability.type

    @property
    def complete(self) -> bool:
        """Whether the search lists everything the EHR has of the type."""
        return not self.since

    def saw(self, updated: str) -> None:
        """Moves the newest time seen."""
        self.newest = later(self.newest, updated)

    def hold_back(self, updated: str) -> None:
        """Keeps the checkpoint from passing a resource that could not be decided yet."""
        if updated and (not self.held_back or later(self.held_back, updated) == self.held_back):
            self.held_back = updated

    @property
    def checkpoint(self) -> str:
        """Where the next pull begins: never in the future, or what is dated right would be behind it."""
        held_earlier = self.held_back and later(self.newest, self.held_back) == self.newest
        return not_after(self.held_back if held_earlier else self.newest, self.began)

    @contextmanager
    def transaction(self, before: Point = "taking", after: Point = "taken") -> Iterator[Transaction]:
        """A write transaction, undone at its end in a dry run."""
        try:
            with self.sides.database.write() as tx:
                yield tx
                if self.dry:
                    _undo()
                reached(before)
            reached(after)
        except _Undo:
            return


def _undo() -> None:
    raise _Undo


def before(since: str) -> str:
    """The instant from which to ask, ``OVERLAP`` before a checkpoint; "" when there is none."""
    found = instant(since)
    if found is None:
        return ""
    start: datetime = found.astimezone(UTC) - OVERLAP
    return start.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def not_after(text: str, now: int) -> str:
    """An instant as it is spelled, or ``now`` (milliseconds) where it is later than that."""
    found, limit = instant(text), datetime.fromtimestamp(now / 1000, UTC)
    if found is None or found <= limit:
        return text
    return limit.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(one: str, other: str) -> str:
    """The later of two instants as they are spelled; what is no instant counts as earliest."""
    first, second = instant(one), instant(other)
    if second is None:
        return one
    return other if first is None or second > first else one
