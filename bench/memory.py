"""Loads our server for long and watches the memory of its workers: ``python bench/memory.py [--minutes 1]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import filling
import load
import processes
import servers
import workload

# MiB of the largest worker, and how much it may grow after the first quarter, in which caches fill.
MOST, GROWTH = 150.0, 1.1
OPERATIONS = ("read", "search", "create", "update", "transaction")


def main() -> int:
    """Prints the memory after each turn; 1 when it grows or is too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    if not load.available():
        print("wrk is not installed, so nothing can be loaded (Debian: apt-get install wrk).")
        return 0
    sizes = measure(options.minutes)
    early = max(sizes[: max(1, len(sizes) // 4)])
    print(f"MiB of the largest worker over {options.minutes:g} min of all operations: ", end="")
    print(", ".join(f"{size:.0f}" for size in sizes), f"(at most {MOST:.0f}, growing by at most a tenth)")
    return 0 if max(sizes) < MOST and sizes[-1] < GROWTH * early else 1


def measure(minutes: float, resources: int = 10_000) -> list[float]:
    """The memory, in MiB, of the largest worker after each of at least eight turns of all operations."""
    turns = max(8, round(minutes * 60 / (2 * len(OPERATIONS))))
    seconds = max(1, round(minutes * 60 / turns / len(OPERATIONS)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'bench.db'}"
        filling.fill(url, resources)
        # The updates of a turn are of tasks of their own, so that each begins at version 1.
        slices = resources // workload.SLICE * 10 // 25
        with servers.ours("ours", url, folder, "gthread") as server:
            sizes = []
            for turn in range(turns):
                for operation in OPERATIONS:
                    if operation == "update" and turn >= slices:
                        continue
                    text = workload.script(operation, server.base, resources)
                    script = workload.write(folder, "ours", operation, text)
                    load.run(server, script, seconds=seconds, connections=8, part=turn)
                sizes.append(processes.resident(server.pid))
            return sizes


if __name__ == "__main__":
    raise SystemExit(main())
