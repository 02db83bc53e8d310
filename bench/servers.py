"""Starts the servers that are measured: ours, the floor, each on gunicorn with as many processes and threads."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import processes

WORKERS, THREADS = 2, 2
HERE = Path(__file__).resolve().parent
# What serves us and the floor: the worker of ``fhirplan serve``, and the least of it that spreads connections alike.
WORKER_CLASSES = {
    "gthread": ("fhirplan.cli.workers.ServingWorker", "fhirplan.cli.workers.EvenWorker"),
    "sync": ("sync", "sync"),
}


@dataclass(frozen=True)
class Server:
    """A running server: its name, where it answers, its first process, and the FHIR base below its address.

    ``others`` gives the processes besides its own that work for it, such as those of a database.
    """

    name: str
    url: str
    pid: int
    base: str = ""
    others: Callable[[], Sequence[int]] = field(default=tuple)

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        return processes.cpu(self.pid, self.others())


@contextlib.contextmanager
def ours(name: str, database: str, folder: Path, worker_class: str) -> Iterator[Server]:
    """Our server with the validation that it has unless told otherwise."""
    environment = {
        "FHIRPLAN_DATABASE_URL": database,
        "FHIRPLAN_DATA_DIR": str(folder),
        "FHIRPLAN_AUTH": "open",
        "FHIRPLAN_LOG_LEVEL": "warning",
        "PYTHONPATH": str(HERE.parent),
    }
    others = _backends(database) if database.startswith("postgresql") else tuple
    with _gunicorn(name, "wsgi:app", environment, worker_class, "/healthz", "/fhir", others) as server:
        yield server


@contextlib.contextmanager
def floor(folder: Path, worker_class: str) -> Iterator[Server]:
    """The least that a Flask application does to answer the same bytes."""
    environment = {"FLOOR_FOLDER": str(folder), "PYTHONPATH": str(HERE)}
    with _gunicorn("floor", "floor:app", environment, worker_class, "/search", "", tuple) as server:
        yield server


@contextlib.contextmanager
def _gunicorn(
    name: str,
    app: str,
    environment: dict[str, str],
    worker_class: str,
    ready: str,
    base: str,
    others: Callable[[], Sequence[int]],
) -> Iterator[Server]:
    port = free_port()
    threads = ["--threads", str(THREADS)] if worker_class != "sync" else []
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket", "--log-level", "warning"),
        *("--workers", str(WORKERS), "--worker-class", WORKER_CLASSES[worker_class][name == "floor"], *threads),
        *("--bind", f"127.0.0.1:{port}", app),
    ]
    with running(command, environment, f"http://127.0.0.1:{port}", ready) as pid:
        yield Server(name, f"http://127.0.0.1:{port}", pid, base, others)


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], url: str, ready: str) -> Iterator[int]:
    """A process, given as its id, that answers at ``url`` + ``ready``; ended with its children afterwards."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(url + ready, process)
        # gunicorn's processes tell each other once a second how many connections they have.
        time.sleep(1.2)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the server for {url} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def get(url: str) -> bytes:
    """What is answered there."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def _backends(database: str) -> Callable[[], Sequence[int]]:
    """PostgreSQL's processes that serve the connections to a database, known by the name that they give."""
    import psycopg

    name = database.rpartition("application_name=")[2]
    url = database.partition("?")[0]

    def listed() -> Sequence[int]:
        with psycopg.connect(url) as server:
            found = server.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,))
            return [int(row[0]) for row in found]

    return listed
