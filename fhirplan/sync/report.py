"""What a sync did: counts per type, and in words what is not in agreement."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Told as work goes on: what is being done, how much of it is done, of how many (0: not known).
Progress = Callable[[str, int, int], None]


def silent(_doing: str, _done: int, _total: int) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class TypeReport:
    """One type's counts. ``merged`` were changed on both sides, ``refused`` of the EHR's could not be taken in.

    ``with_findings`` were taken in with errors or warnings of validation; hints are kept with them and not counted.
    """

    type: str
    new: int = 0
    changed: int = 0
    merged: int = 0
    unchanged: int = 0
    echo: int = 0
    gone: int = 0
    refused: int = 0
    with_findings: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """One sync. ``skipped`` says of a type why it was not pulled, ``problems`` what else kept both sides apart.

    ``reasons`` says of each resource that is not in agreement (of many, the first) why, in a sentence.
    ``drift`` says what the EHR no longer offers as it did; that by itself keeps nothing apart.
    ``conflicts``, ``parked`` and ``waiting`` count resources as they stand at the end; ``undoable`` are those of the
    waiting that can still be undone, ``untold`` is how much the EHR refused to tell. ``calls`` are requests made.
    """

    types: tuple[TypeReport, ...]
    skipped: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    reasons: tuple[str, ...]
    conflicts: int
    parked: int
    waiting: int
    calls: int
    seconds: float
    drift: tuple[str, ...] = ()
    undoable: int = 0
    untold: int = 0

    @property
    def pulled(self) -> int:
        """Resources that are new or changed here."""
        return sum(item.new + item.changed + item.merged + item.gone for item in self.types)

    @property
    def pushed(self) -> int:
        """Resources that were created, updated or deleted in the EHR."""
        return sum(item.created + item.updated + item.deleted for item in self.types)

    @property
    def agreed(self) -> bool:
        """Whether both sides agree: nothing waits, is parked, in conflict or untold, and nothing failed."""
        return not (self.conflicts or self.parked or self.waiting or self.untold or self.problems)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values, for scripts."""
        return {
            "agreed": self.agreed,
            "pulled": self.pulled,
            "pushed": self.pushed,
            "conflicts": self.conflicts,
            "parked": self.parked,
            "waiting": self.waiting,
            "undoable": self.undoable,
            "untold": self.untold,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "types": [{name: getattr(item, name) for name in TypeReport.__slots__} for item in self.types],
            "skipped": [{"type": type_, "reason": reason} for type_, reason in self.skipped],
            "problems": list(self.problems),
            "reasons": list(self.reasons),
            "drift": list(self.drift),
        }


@dataclass(slots=True)
class Tally:
    """Counts while a sync runs; several passes and threads may add to one tally."""

    counted: dict[str, Counter[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    repeating: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, type_: str, what: str, count: int = 1) -> None:
        """Counts one more; ``what`` is a field of TypeReport. What is unchanged is not counted in each round anew."""
        if what == "unchanged" and self.repeating:
            return
        with self._lock:
            self.counted.setdefault(type_, Counter())[what] += count

    def trouble(self, text: str) -> None:
        """Notes what keeps both sides apart, each thing once."""
        if text not in self.problems:
            self.problems.append(text)

    def sent(self) -> int:
        """How many writes the EHR took so far."""
        return sum(counts[what] for counts in self.counted.values() for what in ("created", "updated", "deleted"))

    def types(self) -> tuple[TypeReport, ...]:
        """The counts, by type, in the order in which the types were met."""
        return tuple(TypeReport(type_, **counts) for type_, counts in self.counted.items())
