"""Measures the store in one process, as ratios to the same work done by sqlite3 alone in the same run.

    python bench/store.py [--resources 10000 100000] [--json]

The floor has the same tables, settings and rows, made beforehand: no validation, no JSON, no index values to find.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fhirplan.catalog import CATALOG
from fhirplan.search.query import parse
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.search.searching import search

ORIGIN = Origin("Practitioner/bench", "bench", "api", push=True)
SNOMED = "http://snomed.info/sct"
TASK_PARAMETERS = CATALOG["Task"].parameters
PLAN_PARAMETERS = CATALOG["CarePlan"].parameters


def task(number: int) -> dict[str, Any]:
    """A Task of about 2 kB with 17 index rows."""
    patient = f"Patient/p{number // 25}"
    return {
        "resourceType": "Task",
        "meta": {"profile": ["http://fhirplan.dev/fhir/StructureDefinition/case-management-task"]},
        "identifier": [{"system": "http://fhirplan.dev/tasks", "value": f"task-{number}"}],
        "basedOn": [{"reference": f"CarePlan/c{number // 25}"}],
        "status": ("requested", "accepted", "in-progress", "completed")[number % 4],
        "intent": "order",
        "priority": "routine",
        "code": {"coding": [{"system": SNOMED, "code": "736353004"}], "text": "Medication reconciliation"},
        "description": "Compare the discharge list with what the patient takes at home. " * 16,
        "for": {"reference": patient},
        "encounter": {"reference": f"Encounter/e{number // 25}"},
        "authoredOn": f"2026-{number % 12 + 1:02d}-02T09:30:00Z",
        "lastModified": f"2026-{number % 12 + 1:02d}-03T09:30:00Z",
        "requester": {"reference": "PractitionerRole/case-manager"},
        "performerType": [{"coding": [{"system": SNOMED, "code": "768820003"}]}],
        "owner": {"reference": f"Practitioner/n{number % 40}"},
        "restriction": {"period": {"end": f"2026-{number % 12 + 1:02d}-20"}},
    }


def plan(number: int, status: str) -> dict[str, Any]:
    """A CarePlan of the patient of that number."""
    category = {
        "coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]
    }
    return {
        "resourceType": "CarePlan",
        "status": status,
        "intent": "plan",
        "category": [category],
        "subject": {"reference": f"Patient/p{number}"},
        "period": {"start": "2026-03-02"},
        "goal": [{"reference": f"Goal/g{number}-{place}"} for place in range(GOALS)],
        "careTeam": [{"reference": f"CareTeam/team{number}"}],
        "description": "Back home after heart failure, with weight and medicines under control. " * 40,
    }


GOALS = 8
# Patients whose goals and care teams are stored too: they are asked for with their plans.
WITH_GOALS = 100


def beside(number: int) -> list[Change]:
    """The goals and the care team of the plans of a patient."""
    patient = {"reference": f"Patient/p{number}"}
    goals = [
        {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": "Walk to the corner and back without rest. " * 10},
            "subject": patient,
            "target": [{"dueDate": "2026-05-01"}],
        }
    ] * GOALS
    team = {"resourceType": "CareTeam", "status": "active", "subject": patient, "name": "Heart failure team " * 10}
    made = [Change("create", "Goal", f"g{number}-{place}", goal) for place, goal in enumerate(goals)]
    return [*made, Change("create", "CareTeam", f"team{number}", team)]


def fill(database: Database, resources: int) -> None:
    """One active and one completed plan and 23 tasks a patient, and goals and care teams for some."""
    with database.write() as tx:
        changes = [change for number in range(WITH_GOALS) for change in beside(number)]
        commit(tx, "default", changes, now=1_780_000_000_000, origin=ORIGIN)
    changes = []
    for number in range(resources):
        place, patient = number % 25, number // 25
        if place < 2:
            resource = plan(patient, ("active", "completed")[place])
            changes.append(Change("create", "CarePlan", f"c{patient}-{place}", resource))
        else:
            changes.append(Change("create", "Task", f"t{number}", task(number)))
        if len(changes) == 500:
            with database.write() as tx:
                commit(tx, "default", changes, now=1_790_000_000_000 + number, origin=ORIGIN)
            changes = []
    database.checkpoint()


class Cost(NamedTuple):
    """Microseconds of one call: on the clock, and of this process on the processor, which others disturb less."""

    wall: float
    cpu: float

    def of(self, calls: int) -> Cost:
        """The cost of one of so many things a call does."""
        return Cost(self.wall / calls, self.cpu / calls)


def micros(act: Callable[[], Any], seconds: float = 0.7) -> Cost:
    """What one call costs, the median of batches that fill ``seconds``."""
    batches: list[Cost] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not batches:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(20):
            act()
        batches.append(Cost((time.perf_counter() - wall) * 5e4, (time.process_time() - cpu) * 5e4))
    return Cost(*(sorted(item)[len(batches) // 2] for item in zip(*batches, strict=True)))


class Floor:
    """The same rows by sqlite3 alone, on a copy of the database."""

    READ = (
        "SELECT r.rid, r.type, r.id, v.version, v.updated, v.method, v.body FROM resource r JOIN version v "
        "ON v.vid = r.vid WHERE r.connection = ? AND r.type = ? AND r.id = ?"
    )

    def __init__(self, path: Path) -> None:
        self.driver = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=10000", "cache_size=-16000"):
            self.driver.execute(f"PRAGMA {pragma}")
        self.rid = self.driver.execute("SELECT max(rid) FROM resource").fetchone()[0]
        self.vid = self.driver.execute("SELECT max(vid) FROM version").fetchone()[0]
        pattern = self.driver.execute("SELECT max(rid) FROM resource WHERE type = 'Task'").fetchone()[0]
        self.body = self.driver.execute("SELECT body FROM version WHERE rid = ?", (pattern,)).fetchone()[0]
        self.rows = {}
        for table in ("index_token", "index_reference", "index_date", "index_uri"):
            columns = [row[1] for row in self.driver.execute(f"PRAGMA table_info({table})")]
            found = self.driver.execute(f"SELECT * FROM {table} WHERE rid = ?", (pattern,)).fetchall()
            sql = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
            self.rows[sql] = (columns.index("rid"), [list(row) for row in found])

    def read(self) -> Any:
        return self.driver.execute(self.READ, ("default", "Task", "t77")).fetchone()

    def plan_with_goals(self) -> Any:
        """The ten resources, each by its key."""
        ids = [("CarePlan", "c77-0"), ("CareTeam", "team77"), *(("Goal", f"g77-{place}") for place in range(GOALS))]
        return [self.driver.execute(self.READ, ("default", *named)).fetchone() for named in ids]

    def write(self, count: int) -> None:
        run = self.driver.execute
        run("BEGIN IMMEDIATE")
        for _ in range(count):
            self.rid, self.vid = self.rid + 1, self.vid + 1
            name = f"floor{self.rid}"
            run("INSERT INTO resource VALUES (?, 'default', 'Task', ?, ?, 1, 1, 0)", (self.rid, name, self.vid))
            run("INSERT INTO version VALUES (?, ?, 1, 1, 'create', 'a', 'b', ?)", (self.vid, self.rid, self.body))
            run(
                "INSERT INTO outbox (connection, type, id, rid, version, method, lane, created, due, attempts, state)"
                " VALUES ('default', 'Task', ?, ?, 1, 'create', 'Patient/p1', 1, 1, 0, 'waiting')",
                (name, self.rid),
            )
            run(
                "INSERT INTO audit (at, connection, actor, action, type, id, version, request_id, outcome)"
                " VALUES (1, 'default', 'a', 'C', 'Task', ?, 1, 'b', 'success')",
                (name,),
            )
            for sql, (place, rows) in self.rows.items():
                for row in rows:
                    row[place] = self.rid
                self.driver.executemany(sql, rows)
        run("COMMIT")


def measure(folder: Path, resources: int) -> list[dict[str, Any]]:
    """The figures at one size."""
    path = folder / f"{resources}.db"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    wall, cpu = time.perf_counter(), time.process_time()
    fill(database, resources)
    filled = Cost((time.perf_counter() - wall) * 1e6, (time.process_time() - cpu) * 1e6).of(resources)
    copy = folder / f"{resources}-floor.db"
    sqlite3.connect(path).execute("VACUUM INTO ?", (str(copy),)).connection.close()
    floor = Floor(copy)
    number = resources

    def read() -> None:
        with database.read() as tx:
            versions.current(tx, "default", "Task", "t77")

    def write(count: int) -> None:
        nonlocal number
        changes = []
        for _ in range(count):
            number += 1
            changes.append(Change("create", "Task", f"t{number}", task(number)))
        with database.write() as tx:
            commit(tx, "default", changes, now=1_795_000_000_000, origin=ORIGIN)

    def find(type: str, parameters: Any, *pairs: tuple[str, str]) -> Callable[[], None]:
        def do() -> None:
            with database.read() as tx:
                search(tx, "default", parse(type, parameters, pairs, types=CATALOG))

        return do

    rows = sum(len(found) for _, found in floor.rows.values())
    made = [
        ("read by id", micros(read), micros(floor.read)),
        (f"commit of one Task ({rows} index rows)", micros(lambda: write(1)), micros(lambda: floor.write(1))),
        ("commit of 50, each", micros(lambda: write(50)).of(50), micros(lambda: floor.write(50)).of(50)),
        ("fill by commits of 500, each", filled, None),
        (
            "a patient's active plan",
            micros(find("CarePlan", PLAN_PARAMETERS, ("patient", "p77"), ("status", "active"))),
            None,
        ),
        (
            "an active plan with goals and team, 10",
            micros(
                find(
                    "CarePlan",
                    PLAN_PARAMETERS,
                    ("patient", "p77"),
                    ("status", "active"),
                    ("_include", "CarePlan:goal"),
                    ("_include", "CarePlan:care-team"),
                )
            ),
            micros(floor.plan_with_goals),
        ),
        (
            "tasks by their plan's patient (chain)",
            micros(find("Task", TASK_PARAMETERS, ("based-on:CarePlan.patient", "p77"))),
            None,
        ),
        (
            "requested by due time, 10",
            micros(find("Task", TASK_PARAMETERS, ("status", "requested"), ("_sort", "due"), ("_count", "10"))),
            None,
        ),
        ("a patient's 23 tasks", micros(find("Task", TASK_PARAMETERS, ("patient", "p77"))), None),
        (
            "owner and status, 10",
            micros(
                find("Task", TASK_PARAMETERS, ("owner", "Practitioner/n8"), ("status", "requested"), ("_count", "10"))
            ),
            None,
        ),
        ("changes since, 50", micros(find("Task", TASK_PARAMETERS, ("_lastUpdated", "ge2026-09-22"))), None),
        (
            "newest requested, 10",
            micros(
                find("Task", TASK_PARAMETERS, ("status", "requested"), ("_sort", "-_lastUpdated"), ("_count", "10"))
            ),
            None,
        ),
    ]
    database.close()
    return [
        {
            "what": what,
            "resources": resources,
            "wall": round(ours.wall, 1),
            "cpu": round(ours.cpu, 1),
            "floor_cpu": floor and round(floor.cpu, 1),
            "ratio": floor and round(ours.cpu / floor.cpu, 2),
        }
        for what, ours, floor in made
    ]


def main() -> None:
    """Prints a table, or JSON with --json."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resources", type=int, nargs="+", default=[10_000])
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [row for resources in given.resources for row in measure(Path(folder), resources)]
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'':40} {'resources':>10} {'wall µs':>9} {'cpu µs':>9} {'floor cpu':>9} {'ratio':>6}")
    for row in found:
        cells = f"{row['what']:40} {row['resources']:>10} {row['wall']:>9} {row['cpu']:>9}"
        print(cells, f"{row['floor_cpu'] or '':>9} {row['ratio'] or '':>6}")


if __name__ == "__main__":
    main()
