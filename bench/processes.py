"""What a server's processes have used of CPU and memory, read from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path


def family(parent: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *(int(child) for child in children)]


def cpu(parent: int, others: Iterable[int] = ()) -> float:
    """Seconds of CPU that a server's processes, and others that work for it, have used so far."""
    total = 0.0
    for process in [*family(parent), *others]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def resident(parent: int) -> float:
    """MiB resident of the largest worker of a server."""
    sizes = []
    for process in family(parent)[1:]:
        text = Path(f"/proc/{process}/status").read_text()
        sizes.append(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024)  # type: ignore[index]
    return max(sizes)
