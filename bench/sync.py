"""Measures sync against the sandbox EHR in a process of its own: ``python bench/sync.py [--resources 10000]``.

CPU is this process's own, which is what fhirplan adds; the EHR has another process. Every figure is from one run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import people
import pushing
from sqlalchemy import text

from fhirplan import assembly
from fhirplan.sandbox.resources import Store
from fhirplan.settings import Settings, load
from fhirplan.store.engine import Database, statement
from fhirplan.sync.pull import pull
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides

SANDBOX = "from fhirplan.cli.main import main; main()"
MARKS = {"first pull": 0.35}
"""Most milliseconds of our CPU for one resource."""
MERGE_MARK = 1.0
"""Most milliseconds for the merge of a CarePlan."""


def main() -> int:
    """Prints a table, or JSON with --json; 1 when a mark is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resources", type=int, default=10_000)
    options.add_argument("--changes", type=int, default=1_000, help="how many are pushed in each way")
    options.add_argument("--memory", type=int, default=0, help="also pull so many, and tell the memory it took")
    options.add_argument("--json", action="store_true")
    options.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.fill:
        fill(given.fill, given.resources)
        return 0
    with tempfile.TemporaryDirectory() as name:
        found = pulling(Path(name) / "pull", given.resources)
        found += pushed(Path(name) / "push", given.changes) + pushing.merging()
        if given.memory:
            found += pulling(Path(name) / "memory", given.memory)[:1]
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for row in found:
            rest = {key: value for key, value in row.items() if key != "what"}
            print(f"{row['what']:44}", "  ".join(f"{key} {value}" for key, value in rest.items()))
    missed = [row for row in found if row.get("cpu_ms_each", 0) > MARKS.get(row["what"].partition(" of")[0], 1e9)]
    missed += [row for row in found if row.get("ms", 0) > MERGE_MARK]
    return 1 if missed else 0


def pulling(folder: Path, resources: int) -> list[dict[str, Any]]:
    """A first pull, one by _lastUpdated that finds nothing, and one that lists everything and knows it by its hash."""
    folder.mkdir()
    with ehr(folder, resources) as base, sides(folder, base) as ours:
        first = timed(f"first pull of {resources}", resources, lambda: pull(ours, Tally()))
        unchanged = timed("a pull since the last one", 0, lambda: pull(ours, Tally()))
        forget_versions(ours.database)
        by_hash = timed(f"no-change pull of {resources} by hash", resources, lambda: pull(ours, Tally(), full=True))
    return [first, unchanged, by_hash]


def pushed(folder: Path, changes: int) -> list[dict[str, Any]]:
    """So many changes sent one by one, several patients at once, and as transactions."""
    folder.mkdir()
    with ehr(folder, 50 * people.PER_PATIENT) as base, sides(folder, base) as ours:
        pull(ours, Tally())
        return pushing.pushing(ours, changes)


def forget_versions(database: Database) -> None:
    """Makes every resource of the EHR look new, as at an EHR without versions: only its content tells."""
    with database.write() as tx:
        tx.run(statement(text("UPDATE link SET ehr_version = '', ehr_updated = ''")))


def timed(what: str, each: int, act: Callable[[], Any]) -> dict[str, Any]:
    """Seconds, our CPU for one resource in ms, and the most memory this process has had, in MiB."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    row: dict[str, Any] = {"what": what, "seconds": round(wall, 2)}
    if each:
        row |= {"a_second": round(each / wall), "cpu_ms_each": round(cpu * 1000 / each, 3)}
    return {**row, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


@contextlib.contextmanager
def ehr(folder: Path, resources: int) -> Iterator[str]:
    """The FHIR base of a sandbox that holds so many resources."""
    # In a process of its own, so that this one's memory is only what pulling takes.
    subprocess.run([sys.executable, __file__, "--fill", str(folder), "--resources", str(resources)], check=True)
    command = [sys.executable, "-c", SANDBOX, "sandbox", "--port", "0", "--data", str(folder / "ehr.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if line.startswith("Sandbox EHR at "))
            yield line.split()[3]
        finally:
            process.terminate()


@contextlib.contextmanager
def sides(folder: Path, base: str) -> Iterator[Sides]:
    """Both sides over a new SQLite database, with validation as a server has it."""
    settings: Settings = load({}, data_dir=str(folder), ehr_url=base, auth="open")
    services = assembly.build(settings)
    services.database.migrate()
    assembly.settle(services)
    made = assembly.build_sync(settings, services, settings.default_connection)
    with made.client:
        yield made
    services.database.close()


def fill(folder: Path, resources: int) -> None:
    """Writes the sandbox's data file."""
    store = Store(folder / "ehr.db")
    with store.transaction():
        for item in people.resources(resources // people.PER_PATIENT):
            store.write("PUT", 201, item["id"], item)
    store.close()


if __name__ == "__main__":
    raise SystemExit(main())
