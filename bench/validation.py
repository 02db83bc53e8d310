"""How fast resources are validated, as ratios in one run: a bare JSON parse, fhir.resources, and ours.

    python bench/validation.py [--folder FOLDER] [--passes N]

The resources are the entries of the sample Bundles, or any folder's JSON files. Times are CPU time, the best of a
number of passes taken in turns, so that all of them meet the same machine. Every figure includes the JSON parse.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fhirplan.fhir import codec, typed
from fhirplan.settings import fixtures_folder
from fhirplan.validation import Validator

CORE = ("CarePlan", "Goal", "Task", "CareTeam")
Work = Callable[[bytes], object]


def texts(folder: Path) -> list[bytes]:
    """The resources to validate, as JSON texts: those of the core types."""
    found = []
    for file in sorted(folder.rglob("*.json")):
        read = json.loads(file.read_bytes())
        if not isinstance(read, dict):
            continue
        listed = (
            [one.get("resource") for one in read.get("entry", [])] if read.get("resourceType") == "Bundle" else [read]
        )
        found += [codec.dumps(one) for one in listed if isinstance(one, dict) and one.get("resourceType") in CORE]
    return found


def measure(work: dict[str, Work], listed: list[bytes], passes: int) -> dict[str, float]:
    """Seconds a resource for each kind of work, the best of the passes."""
    best = dict.fromkeys(work, float("inf"))
    for _ in range(passes + 1):  # the first pass compiles
        for name, one in work.items():
            before = time.process_time()
            for text in listed:
                one(text)
            best[name] = min(best[name], (time.process_time() - before) / len(listed))
    return best


def cold_start(text: bytes) -> tuple[float, float]:
    """Seconds and MB from the start of a process to its first verdict, the middle of five."""
    seconds, memory = [], []
    for _ in range(5):
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--once"], input=text, capture_output=True, check=True, timeout=60
        )
        seconds.append(time.perf_counter() - before)
        memory.append(float(done.stdout))
    return statistics.median(seconds), statistics.median(memory)


def once() -> None:
    """One verdict in a fresh process; prints its resident memory in MB."""
    Validator.load().validate(codec.loads(sys.stdin.buffer.read()))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measures and prints the table."""
    options = argparse.ArgumentParser(description="Measure validation.")
    options.add_argument("--folder", type=Path, default=fixtures_folder() / "bundles")
    options.add_argument("--passes", type=int, default=9)
    options.add_argument("--once", action="store_true")
    chosen = options.parse_args()
    if chosen.once:
        once()
        return
    listed = texts(chosen.folder)
    validator = Validator.load()
    work: dict[str, Work] = {
        "bare JSON parse": json.loads,
        "our JSON parse": codec.loads,
        "fhir.resources R4B": lambda text: typed.view(json.loads(text)),
        "structure, codes, references": lambda text: validator.validate(codec.loads(text), policy="base", rules=False),
        "base R4, all invariants": lambda text: validator.validate(codec.loads(text), policy="base"),
        "and our profiles": lambda text: validator.validate(codec.loads(text), policy="case-management"),
    }
    speeds = measure(work, listed, chosen.passes)
    floor = speeds["bare JSON parse"]
    print(f"{len(listed)} resources of {', '.join(CORE)}; {sum(map(len, listed)) / len(listed):,.0f} bytes each")
    print(f"{'':30}{'us each':>10}{'a second':>12}{'x JSON parse':>14}")
    for name, seconds in speeds.items():
        print(f"{name:30}{seconds * 1e6:10.1f}{1 / seconds:12,.0f}{seconds / floor:14.1f}")
    seconds, memory = cold_start(listed[0])
    print(f"cold start to first verdict {seconds:.2f} s, {memory:.0f} MB")


if __name__ == "__main__":
    main()
