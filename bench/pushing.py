"""What ``bench/sync.py`` measures of pushing and merging: 1,000 changes in three ways, and a CarePlan of 20 kB."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

from fhirplan.fhir import codec
from fhirplan.merge import three_way
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides

API = Origin(actor="Practitioner/bench", request_id="bench", source="api", push=True)
# Name of the row, most entries of a transaction, patients at once.
WAYS = (("one by one", 1, 1), ("one by one, 4 patients at once", 1, 4), ("by transaction", 50, 4))
PER_PATIENT = 25
MERGE_BYTES = 20_000
MERGES = 200


def write(ours: Sides, way: int, changes: int) -> None:
    """So many new goals of patients that the EHR has, as a caller of our API writes them."""
    with ours.database.read() as tx:
        rows = tx._driver.execute("SELECT id FROM resource WHERE type = 'Patient' ORDER BY id").fetchall()
    made = []
    for number in range(changes):
        patient = rows[number // PER_PATIENT % len(rows)][0]
        goal: dict[str, Any] = {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": f"Walk to the corner and back without rest, {number}"},
            "subject": {"reference": f"Patient/{patient}"},
            "target": [{"dueDate": "2026-12-31"}],
        }
        made.append(Change("create", "Goal", f"bench-{way}-{number}", goal))
    with ours.database.write() as tx:
        commit(tx, ours.connection, made, now=ours.clock(), origin=API)


def pushing(ours: Sides, changes: int) -> list[dict[str, Any]]:
    """Each way of sending the changes, with the calls it took; everything must have landed."""
    found = []
    for way, (name, bundle, lanes) in enumerate(WAYS):
        write(ours, way, changes)
        sides = dataclasses.replace(ours, bundle=bundle, lanes=lanes)
        tally = Tally()
        wall, cpu = time.perf_counter(), time.process_time()
        push(sides, tally, everything=True)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if tally.sent() != changes:
            raise SystemExit(f"push {name}: {tally.sent()} of {changes} landed; {tally.problems}")
        row = {"what": f"push of {changes} changes {name}", "seconds": round(wall, 2)}
        found.append({**row, "a_second": round(changes / wall), "cpu_ms_each": round(cpu * 1000 / changes, 3)})
    return found


def plan(notes: int) -> dict[str, Any]:
    """A CarePlan with goals, activities and notes."""
    return {
        "resourceType": "CarePlan",
        "id": "bench",
        "status": "active",
        "intent": "plan",
        "title": "Home after heart failure",
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-03-02"},
        "category": [{"coding": [{"system": "http://example.org/category", "code": code}]} for code in "abc"],
        "goal": [{"reference": f"Goal/g{number}"} for number in range(20)],
        "activity": [
            {
                "detail": {
                    "code": {"coding": [{"system": "http://example.org/task", "code": f"task-{number}"}]},
                    "status": "scheduled",
                    "description": f"Activity {number}: call, ask about weight, salt, walks and medicines.",
                    "scheduledPeriod": {"start": "2026-03-02", "end": "2026-04-02"},
                }
            }
            for number in range(30)
        ],
        "note": [
            {"time": f"2026-03-{number % 28 + 1:02d}T09:00:00Z", "text": f"Note {number}. " + "Spoke with her. " * 8}
            for number in range(notes)
        ],
    }


def merging() -> list[dict[str, Any]]:
    """The median time of a merge in which both sides changed scalars and lists, in ms."""
    base = plan(0)
    while len(codec.dumps(base)) < MERGE_BYTES:
        base = plan(len(base["note"]) + 1)
    ours = codec.loads(codec.dumps(base))
    theirs = codec.loads(codec.dumps(base))
    ours["title"] = "Home after heart failure, second month"
    ours["activity"][3]["detail"]["status"] = "completed"
    ours["note"].append({"time": "2026-04-01T09:00:00Z", "text": "Walks to church."})
    theirs["period"]["end"] = "2026-06-01"
    theirs["activity"][7]["detail"]["status"] = "in-progress"
    theirs["goal"].insert(0, {"reference": "Goal/new"})
    took = []
    for _ in range(MERGES):
        began = time.perf_counter()
        made = three_way.merge(base, ours, theirs)
        took.append((time.perf_counter() - began) * 1000)
    if isinstance(made, three_way.Clashing):
        raise SystemExit("the merge of the benchmark clashes")
    kilobytes = len(codec.dumps(base)) // 1000
    return [{"what": f"merge of a {kilobytes} kB CarePlan", "ms": round(statistics.median(took), 3)}]
