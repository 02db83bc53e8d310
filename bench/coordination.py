"""Measures the coordination rules: one change judged, one plan's state, and all that follows for a patient, in memory.

    python bench/coordination.py

The record is the first sample patient's with tasks and observations added until there are 300 resources. Each time
stands beside that of parsing the changed Task's JSON, in the same run, so that a busy machine tells the same.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chart import patient_of

from fhirplan.coordination.rules import findings
from fhirplan.coordination.state import state
from fhirplan.coordination.world import Change, MemoryWorld
from fhirplan.fhir import codec

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/Chicago")
GOALS_MS = {"a Task's change judged by the rules": 1.0, "the state of its plan": 10.0}


def main() -> int:
    """0 when every mark was met."""
    resources = [item["resource"] for item in patient_of(300)["entry"]]
    world = MemoryWorld(resources)
    plan = next(item for item in resources if item["resourceType"] == "CarePlan")
    before = next(item for item in resources if item["id"] == "task-visit7")
    after = {**copy.deepcopy(before), "status": "in-progress"}
    text = codec.dumps(after)
    illegal = findings(world, [Change(before, {**after, "status": "requested"})], NOW, ZONE)
    assert any(item.issue.is_error for item in illegal), "an illegal move passed"
    rows = [
        ("parsing the Task's JSON", _timed(lambda: codec.loads(text))),
        (
            "a Task's change judged by the rules",
            _timed(lambda: findings(world, [Change(before, after)], NOW, ZONE)),
        ),
        ("the state of its plan", _timed(lambda: state(world, plan, NOW, ZONE), 40)),
        ("and the indexes of the record", _timed(lambda: state(MemoryWorld(resources), plan, NOW, ZONE), 40)),
    ]
    parse = rows[0][1]
    missed = False
    print(f"{'':40}{'ms':>10}{'x JSON parse':>14}{'goal ms':>10}")
    for name, taken in rows:
        goal = GOALS_MS.get(name)
        missed = missed or (goal is not None and taken > goal)
        print(f"{name:40}{taken:>10.3f}{taken / parse:>14.1f}{goal or '':>10}")
    return int(missed)


def _timed(act: Callable[[], Any], rounds: int = 400) -> float:
    """The median of the processor's milliseconds."""
    found = []
    for _ in range(rounds):
        begun = time.thread_time()
        act()
        found.append((time.thread_time() - begun) * 1000)
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
