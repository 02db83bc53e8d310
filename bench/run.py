"""Runs each benchmark that is here, one after the other: what ``make bench`` calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = ("serving", "validation", "store")


def main() -> int:
    """0 when every benchmark met its marks."""
    worst = 0
    for name in BENCHMARKS:
        path = HERE / f"{name}.py"
        if path.is_file():
            print(f"== {name}", flush=True)
            worst = max(worst, subprocess.run([sys.executable, str(path)], check=False).returncode)
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
