"""Loads a server with wrk and says how fast it answered, at what cost."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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
