"""Runs commands of ours as child processes: on free ports, once they answer, ended with what needs them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import requests

from fhirplan.errors import FhirplanError

PROGRAM: Final = (sys.executable, "-c", "from fhirplan.cli.main import main; main()")
STARTING: Final = 60.0
STOPPING: Final = 15.0
"""Seconds that a child has to answer, and to end by itself."""


def require_free(port: int) -> None:
    """Raises UsageError where something on this machine has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise click.UsageError(
                f"Port {port} is taken. Stop what uses it, or choose others: make demo PORT=9080 EHR_PORT=9081"
            ) from None


@contextmanager
def running(
    arguments: list[str], environ: Mapping[str, str], log: Path, ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours as a child process, once ``ready`` answers with 200; ended with the block."""
    with log.open("wb") as written:
        child = subprocess.Popen(  # noqa: S603 - our own program
            [*PROGRAM, *arguments], env=dict(environ), stdout=written, stderr=subprocess.STDOUT
        )
    try:
        _await(child, ready, log)
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOPPING)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(child: subprocess.Popen[bytes], url: str, log: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < STARTING:
        if child.poll() is not None:
            break
        if _answers(url):
            return
        time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise FhirplanError(f"{url} did not answer. The last lines of its log:\n" + "\n".join(tail))


def _answers(url: str) -> bool:
    try:
        answer: Any = requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    return bool(answer.status_code == 200)
