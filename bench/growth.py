"""Measures how the cost of a read and of first pages grows with what is stored: ``python bench/growth.py [--large]``.

In one process, in turns between a small and a large database, so that both meet the same machine. Large databases are
made once (1,000,000 resources: some minutes and 3 GB) and kept in a folder for the next run.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import filling
import people
import workload

from fhirplan.catalog import CATALOG
from fhirplan.search.query import parse
from fhirplan.store import versions
from fhirplan.store.engine import Database
from fhirplan.store.search.searching import search

# A read and the first page of a patient's plan, or of a selective parameter, may cost so many times as much.
MOST = 1.3
# (what, type, query with {n} for a patient's number, whether the goal holds for it)
SHAPES = (
    ("plan of a patient", "CarePlan", "patient=Patient/p{n}&status=active", True),
    ("plan with includes", "CarePlan", workload.search(0).partition("?")[2].replace("p0", "p{n}"), True),
    ("by category and date", "CarePlan", "patient=Patient/p{n}&category=assess-plan&date=ge2026-01-01", True),
    ("tasks of a patient", "Task", "patient=Patient/p{n}&status=accepted&_count=20", True),
    ("tasks by due date", "Task", "patient=Patient/p{n}&_sort=due&_count=20", True),
    ("task by identifier", "Task", "identifier=http://example.org/task|p{n}-t3", True),
    ("any task of a system", "Task", "identifier=http://example.org/task|&_count=20", True),
    ("goals of a patient", "Goal", "patient=Patient/p{n}&lifecycle-status=active", True),
    ("goals by target date", "Goal", "patient=Patient/p{n}&target-date=ge2026-01-01", True),
    ("team of a patient", "CareTeam", "patient=Patient/p{n}&status=active", True),
    ("by the patient's identifier", "Task", "patient.identifier=http://example.org/mrn|MRN-p{n}&_count=20", True),
    ("patients who have a task", "Patient", "_has:Task:patient:identifier=http://example.org/task|p{n}-t3", True),
    ("tasks of an owner", "Task", "owner=PractitionerRole/role-ncm&status=accepted&_count=20", True),
    ("tasks of a status", "Task", "status=accepted&_count=20", True),
    ("newest tasks of a status", "Task", "status=accepted&_sort=-_lastUpdated&_count=20", True),
    ("changed since", "Task", "_lastUpdated=ge2020-01-01&_count=20", True),
    ("patient by name", "Patient", "name=samplep{n}", True),
)


def main() -> int:
    """Prints the table; 1 when a cost that must not grow has grown beyond the mark."""
    options = _options()
    chosen = [10_000, 1_000_000] if options.large else [10_000, 100_000]
    if options.postgresql:
        missing = filling.has_postgresql()
        if missing:
            print(f"PostgreSQL is left out: {missing}")
            return 0
        import copying

        # What is made in a schema of its own is dropped afterwards, so most of it is copied.
        counts = [chosen[0], options.resources or chosen[1]]
        with filling.postgresql(counts[0]) as small, copying.postgresql(counts[1]) as large:
            return _compared(counts, [small, large], options)
    counts = [chosen[0], options.resources or chosen[1]]
    urls = [filling.kept(options.folder, count) for count in counts]
    for url in urls:
        _into_memory(Path(url.removeprefix("sqlite:///")))
    return _compared(counts, urls, options)


def _into_memory(path: Path) -> None:
    """Reads a file once, so that the system has it at hand: what is compared is work, not the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(2**24):
            pass


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="1,000,000 resources instead of 100,000")
    parser.add_argument("--resources", type=int, help="so many instead")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    kept = Path(tempfile.gettempdir()) / "fhirplan-bench"
    parser.add_argument("--folder", type=Path, default=kept, help="where SQLite files are kept")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the results here")
    return parser.parse_args()


def _compared(counts: list[int], urls: list[str], options: argparse.Namespace) -> int:
    databases = [Database.open(url) for url in urls]
    for database in databases:
        database.analyze()
    rows = [
        _row(what, [work(database, count) for database, count in zip(databases, counts, strict=True)], held, options)
        for what, work, held in _works()
    ]
    for database in databases:
        database.close()
    kind = "PostgreSQL" if options.postgresql else "SQLite"
    print(f"{kind}, microseconds in process (wall; CPU of this process), medians of {options.rounds} rounds in turns")
    print(f"{'':30}{counts[0]:>16,}{counts[1]:>16,}{'times':>8}{'goal':>8}")
    for row in rows:
        cells = "".join(f"{wall:>9.0f}{cpu:>7.0f}" for wall, cpu in row["costs"])
        print(f"{row['what']:30}{cells}{row['times']:>8.2f}{MOST if row['held'] else '':>8}")
    if options.json:
        options.json.write_text(json.dumps({"counts": counts, "database": kind, "rows": rows}, indent=2) + "\n")
    return 1 if any(row["held"] and row["times"] > MOST for row in rows) else 0


Work = Callable[[], object]


def _works() -> list[tuple[str, Callable[[Database, int], Work], bool]]:
    made: list[tuple[str, Callable[[Database, int], Work], bool]] = [("read by id", _read, True)]
    return [*made, *((what, _found(type_, text), held) for what, type_, text, held in SHAPES)]


def _numbers(count: int) -> Callable[[], int]:
    chance = random.Random(3)
    patients = count // people.PER_PATIENT
    # A few hundred patients are worked on at a time, whatever the size.
    chosen = [chance.randrange(patients) for _ in range(300)]
    return lambda: chance.choice(chosen)


def _read(database: Database, count: int) -> Work:
    number = _numbers(count)

    def act() -> object:
        with database.read() as tx:
            return versions.current(tx, "default", "CarePlan", f"p{number()}-plan")

    return act


def _found(type_: str, text: str) -> Callable[[Database, int], Work]:
    def of(database: Database, count: int) -> Work:
        number = _numbers(count)

        def act() -> object:
            asked = parse_qsl(text.replace("{n}", str(number())), keep_blank_values=True)
            query = parse(type_, CATALOG[type_].parameters, asked, types=CATALOG)
            with database.read() as tx:
                found = search(tx, "default", query)
            assert found.versions, text
            return found

        return act

    return of


def _row(what: str, works: list[Work], held: bool, options: argparse.Namespace) -> dict[str, Any]:
    for work in works:
        for _ in range(300 if held else 20):
            work()
    measured: list[list[tuple[float, float]]] = [[] for _ in works]
    for _ in range(options.rounds):
        for place, work in enumerate(works):
            measured[place].append(_cost(work))
    costs = [tuple(statistics.median(one[kind] for one in rounds) for kind in (0, 1)) for rounds in measured]
    # On PostgreSQL the work is done by another process, so the clock is what there is.
    kind = 0 if options.postgresql else 1
    times = statistics.median(large[kind] / small[kind] for small, large in zip(measured[0], measured[1], strict=True))
    return {"what": what, "costs": costs, "times": times, "held": held}


def _cost(work: Work, calls: int = 150) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        work()
    return (time.perf_counter() - wall) / calls * 1e6, (time.process_time() - cpu) / calls * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
