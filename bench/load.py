"""Loads a server with wrk and says how fast it answered, at what cost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servers import Server

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second, the median and 99th percentile in ms, and the server's CPU in ms a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


class WrongAnswers(Exception):
    """The server did not answer each request as it should, so that its speed says nothing."""


def available() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def run(server: Server, script: Path, *, seconds: int, connections: int, part: int = 0) -> Speed:
    """Loads a server with the requests of a Lua script, which is given the number ``part``.

    Raises WrongAnswers when any answer is no success.
    """
    before = server.cpu()
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency"),
            *("-s", str(script), server.url, "--", str(part)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
    ).stdout
    used = server.cpu() - before
    if "Non-2xx" in done or "Socket errors" in done:
        raise WrongAnswers(f"{server.name} {script.stem}\n{done}")
    count = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])  # type: ignore[index]
    return Speed(rate, _time(done, "50%"), _time(done, "99%"), used * 1000 / max(count, 1))


def _time(text: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s|m)\b", text)
    assert found, text
    return float(found[1]) * _UNITS[found[2]]


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
