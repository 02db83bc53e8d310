"""Runs benchmarks, one after the other: what ``make bench`` calls.

    python bench/run.py [serving] [validation] [store] [growth] [memory] [sync] [chart] [browser]
                        [coordination] [access] [audit]
                        [--peers] [--postgresql] [--large]

Without names it runs all of them. ``--peers`` measures Python servers from PyPI beside ours, ``--postgresql`` our
server on PostgreSQL too, ``--large`` growth to 1,000,000 resources instead of 100,000. Tables are printed at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    "serving",
    "validation",
    "store",
    "growth",
    "memory",
    "sync",
    "chart",
    "browser",
    "coordination",
    "access",
    "audit",
)


def main() -> int:
    """0 when every benchmark met its marks."""
    options = _options()
    worst, printed = 0, []
    for command in _commands(options):
        name = " ".join(command)
        begun = time.monotonic()
        print(f"{name} ...", flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / f"{command[0]}.py"), *command[1:]],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
        missed = "" if done.returncode == 0 else "   (a goal was missed)"
        printed.append(f"\n== {name}{missed}\n{done.stdout}")
        worst = max(worst, done.returncode)
    print("".join(printed))
    return worst


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", metavar="benchmark")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--large", action="store_true")
    return parser.parse_args()


def _commands(options: argparse.Namespace) -> list[list[str]]:
    given = [f"--{name}" for name in ("peers", "postgresql") if getattr(options, name)]
    large = ["--large"] if options.large else []
    commands: list[list[str]] = []
    for name in options.benchmarks or BENCHMARKS:
        if name == "serving":
            commands.append([name, *given])
        elif name == "growth":
            commands.append([name, *large])
            if options.postgresql:
                commands.append([name, "--postgresql"])
        else:
            commands.append([name])
    return commands


if __name__ == "__main__":
    raise SystemExit(main())
