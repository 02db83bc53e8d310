"""Plays a recorded sync against a fresh store, with the recorded ids and a clock that goes by the recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from fhirplan.ehr import tape
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.tape import Exchange, OffTheTape, Player
from fhirplan.errors import FhirplanError, MalformedRequest
from fhirplan.fhir import codec
from fhirplan.store.engine import Database
from fhirplan.store.sync import snapshot
from fhirplan.sync.recording import FORM, comparable_report
from fhirplan.sync.report import SyncReport
from fhirplan.sync.run import run_sync
from fhirplan.sync.sides import Sides

_DEPTH: Final = 200


@dataclass(slots=True)
class Recorded:
    """What a recording holds. ``options`` are how the sync was started, ``times`` when each exchange ended (ms)."""

    options: Mapping[str, Any]
    rows: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    exchanges: Sequence[Exchange] = ()
    times: Sequence[int] = ()
    ids: Sequence[str] = ()
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay: the report, the same in the recorded run's form, and what was asked off the tape."""

    report: SyncReport
    comparable: Mapping[str, Any]
    unplayed: int


def load(path: Path) -> Recorded:
    """A recording from its file. Raises MalformedRequest, naming the line, for what is none; OSError."""
    made: Recorded | None = None
    rows: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    exchanges, times, ids = list[Exchange](), list[int](), list[str]()
    for number, value in _lines(path):
        try:
            match value:
                case {"recording": {"form": int(form), **options}} if made is None and form == FORM:
                    made = Recorded({str(key): item for key, item in options.items()}, rows, exchanges, times, ids)
                case {"row": {"table": str(table), "values": dict(values)}} if made:
                    rows[table].append(values)
                case {"exchange": dict(found), "at": int(at)} if made:
                    exchanges.append(tape.of_json(found))
                    times.append(at)
                case {"id": str(id_)} if made:
                    ids.append(id_)
                case {"report": dict(report)} if made:
                    made.report = report
                case _:
                    raise _malformed(number)
        except (KeyError, TypeError, ValueError):
            raise _malformed(number) from None
    if made is None:
        raise MalformedRequest("The file is empty, so it is no recording of fhirplan sync --record.")
    return made


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, codec.loads(line, max_depth=_DEPTH)
                except FhirplanError:
                    raise _malformed(number) from None


def _malformed(number: int) -> MalformedRequest:
    return MalformedRequest(f"Line {number} is none of a recording that fhirplan sync --record of this version makes.")


def play(recorded: Recorded, sides: Sides) -> Replayed:
    """Syncs ``sides``, whose database is fresh, as it was recorded; their client, clock and ids are replaced.

    Raises OffTheTape when something is asked that was not asked then, which is a difference by itself.
    """
    clock = _Clock(int(recorded.options["at"]), recorded.times)
    _restore(sides.database, recorded)
    ids = iter(recorded.ids)
    player = Player(sides.border.ehr_base, recorded.exchanges, clock.played, renews=bool(recorded.options["renews"]))
    with EhrClient(player, clock=lambda: 0.0) as client:
        how = recorded.options["how"]
        report = run_sync(
            replace(sides, client=client, clock=clock, new_id=lambda: _next(ids), presence=None),
            dry_run=bool(how["dry_run"]),
            full=bool(how["full"]),
            once=bool(how["once"]),
            wait=clock.wait,
        )
    left = len(recorded.exchanges) - clock.count
    return Replayed(report, comparable_report(report, words=not recorded.options["scrubbed"]), left)


def _next(ids: Iterator[str]) -> str:
    found = next(ids, "")
    if not found:
        raise OffTheTape("The recording has no id left: this run makes more resources than the recorded one.")
    return found


def _restore(database: Database, recorded: Recorded) -> None:
    with database.write() as tx:
        for table, found in recorded.rows.items():
            snapshot.put(tx, table, found)


class _Clock:
    """Stands still until the next exchange was played; then it is when that one ended."""

    def __init__(self, start: int, times: Sequence[int]) -> None:
        self._now, self._times = start, times
        self.count = 0

    def __call__(self) -> int:
        return self._now

    def wait(self, seconds: float) -> None:
        """Is so much later at once."""
        self._now += int(seconds * 1000)

    def played(self, number: int) -> None:
        """Goes on to when an exchange of the tape ended; never back."""
        self.count += 1
        self._now = max(self._now, self._times[number])
