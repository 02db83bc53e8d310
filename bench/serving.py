"""Reads, creates and searches over gunicorn, as shares of the floor in one run: ``python bench/serving.py``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import load
import people

MARKS = {"read": 0.5, "create": 0.1, "search": 0.35}
WORKERS, THREADS = 2, 2
HERE = Path(__file__).resolve().parent
SERVE = "from fhirplan.cli.main import main; main()"


def main() -> int:
    """Runs the benchmark; 1 when a mark is missed."""
    options = _options()
    if not load.available():
        print("wrk is not installed, so HTTP is not measured (Debian: apt-get install wrk).")
        return 0
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        fill(folder, options.resources)
        ours = stack.enter_context(_ours(folder, options.worker_class))
        keep_answers(ours.url, folder)
        floor = stack.enter_context(_floor(folder, options.worker_class))
        measured = measure(ours, floor, _scripts(folder, options.resources), options)
        memory = load.resident(ours.pid)
    report(measured, memory, options)
    return 0 if all(measured[name]["ratio"] >= mark for name, mark in MARKS.items()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--worker-class", default="gthread", choices=("gthread", "sync"))
    parser.add_argument("--json", type=Path, help="also write the results here")
    return parser.parse_args()


def fill(folder: Path, count: int) -> None:
    """Makes a database with that many resources."""
    from fhirplan.store.commit import Change, Origin, commit
    from fhirplan.store.engine import Database

    database = Database.open(f"sqlite:///{folder / 'bench.db'}")
    database.migrate()
    origin = Origin(actor="bench", request_id="bench", source="api", push=False)
    made = list(people.resources(count // people.PER_PATIENT))
    for start in range(0, len(made), 1000):
        changes = [Change("create", item["resourceType"], item["id"], item) for item in made[start : start + 1000]]
        with database.write() as tx:
            commit(tx, "default", changes, now=time.time_ns() // 1_000_000, origin=origin)
    database.close()


class Server:
    """A running gunicorn: where it answers and its master's process id."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid


@contextlib.contextmanager
def _ours(folder: Path, worker_class: str) -> Iterator[Server]:
    environment = {
        "FHIRPLAN_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        "FHIRPLAN_DATA_DIR": str(folder),
        "FHIRPLAN_AUTH": "open",
        "FHIRPLAN_VALIDATION": "base",
        "FHIRPLAN_LOG_LEVEL": "warning",
        "PYTHONPATH": str(HERE.parent),
    }
    with _gunicorn("wsgi:app", environment, worker_class, "/healthz") as server:
        yield server


@contextlib.contextmanager
def _floor(folder: Path, worker_class: str) -> Iterator[Server]:
    environment = {"FLOOR_FOLDER": str(folder), "PYTHONPATH": str(HERE)}
    with _gunicorn("floor:app", environment, worker_class, "/search") as server:
        yield server


@contextlib.contextmanager
def _gunicorn(app: str, environment: dict[str, str], worker_class: str, ready: str) -> Iterator[Server]:
    port = _free_port()
    threads = ["--threads", str(THREADS)] if worker_class != "sync" else []
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket", "--log-level", "warning"),
            *("--workers", str(WORKERS), "--worker-class", worker_class, *threads),
            *("--bind", f"127.0.0.1:{port}", app),
        ],
        env={**os.environ, **environment},
    )
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        _wait(server.url + ready, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        if process.poll() is not None:
            raise SystemExit(f"the server for {url} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def keep_answers(url: str, folder: Path) -> None:
    """Keeps the answers that the floor gives, after a look at whether they are right."""
    read = _get(f"{url}/fhir/CarePlan/p1-plan")
    search = _get(f"{url}/fhir/{_search(1)}")
    assert json.loads(read)["id"] == "p1-plan"
    found = json.loads(search)
    assert len(found["entry"]) == people.OPEN_TASKS, found
    assert {entry["resource"]["for"]["reference"] for entry in found["entry"]} == {"Patient/p1"}
    (folder / "read.json").write_bytes(read)
    (folder / "search.json").write_bytes(search)


def _search(patient: int) -> str:
    return f"Task?patient=Patient/p{patient}&status=accepted&_count=20"


def _scripts(folder: Path, resources: int) -> dict[str, dict[str, Path]]:
    """The Lua scripts of wrk: for each operation one for us and one for the floor, over the same addresses."""
    chance = random.Random(11)
    chosen = [chance.randrange(resources // people.PER_PATIENT) for _ in range(500)]
    body = json.dumps({key: value for key, value in people.task("new", "p1").items() if key != "id"})
    paths = {
        "read": ([f"/fhir/CarePlan/p{n}-plan" for n in chosen], [f"/read/p{n}-plan" for n in chosen]),
        "search": ([f"/fhir/{_search(n)}" for n in chosen], [f"/search?patient=p{n}" for n in chosen]),
    }
    made: dict[str, dict[str, Path]] = {}
    for name, (ours, floor) in paths.items():
        made[name] = {"ours": folder / f"{name}-ours.lua", "floor": folder / f"{name}-floor.lua"}
        made[name]["ours"].write_text(_gets(ours))
        made[name]["floor"].write_text(_gets(floor))
    made["create"] = {"ours": folder / "create-ours.lua", "floor": folder / "create-floor.lua"}
    made["create"]["ours"].write_text(_post("/fhir/Task", body))
    made["create"]["floor"].write_text(_post("/create", body))
    return made


def _gets(paths: list[str]) -> str:
    listed = ",".join(json.dumps(path) for path in paths)
    return (
        f"local paths = {{{listed}}}\nlocal made, next = {{}}, 0\n"
        "init = function(args) for i, path in ipairs(paths) do made[i] = wrk.format('GET', path) end end\n"
        "request = function() next = next % #made + 1; return made[next] end\n"
    )


def _post(path: str, body: str) -> str:
    return (
        f"wrk.method = 'POST'\nwrk.path = '{path}'\nwrk.body = {json.dumps(body)}\n"
        "wrk.headers['Content-Type'] = 'application/fhir+json'\n"
    )


def measure(
    ours: Server, floor: Server, scripts: dict[str, dict[str, Path]], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """The median speeds of both servers for each operation, loaded in turns."""
    given = {"seconds": options.seconds, "connections": options.connections}
    both = {"ours": ours, "floor": floor}
    measured: dict[str, dict[str, Any]] = {}
    for name, script in scripts.items():
        load.run(ours.url, script["ours"], ours.pid, seconds=1, connections=options.connections)
        rounds = [
            tuple(load.run(server.url, script[who], server.pid, **given) for who, server in both.items())
            for _ in range(options.rounds)
        ]
        mine, least = ([asdict(pair[side]) for pair in rounds] for side in (0, 1))
        middle = [{key: statistics.median(one[key] for one in side) for key in side[0]} for side in (mine, least)]
        measured[name] = {
            "ours": middle[0],
            "floor": middle[1],
            "ratio": statistics.median(a.rate / b.rate for a, b in rounds),
            "cpu_ratio": statistics.median(b.cpu / a.cpu for a, b in rounds),
        }
    return measured


def report(measured: dict[str, dict[str, Any]], memory: float, options: argparse.Namespace) -> None:
    """Prints the table, and keeps the numbers where asked."""
    print(
        f"HTTP, gunicorn {options.worker_class} x {WORKERS}, {options.connections} connections, "
        f"{options.resources} resources in SQLite; floor = bare Flask with the same bytes"
    )
    head = ("", "floor/s", "ours/s", "share", "mark", "CPU share", "ms CPU", "p50 ms", "p99 ms")
    print(("{:8}" + "{:>10}" * 8).format(*head))
    for name, row in measured.items():
        ours = row["ours"]
        print(
            f"{name:8}{row['floor']['rate']:>10.0f}{ours['rate']:>10.0f}{row['ratio']:>10.2f}{MARKS[name]:>10.2f}"
            f"{row['cpu_ratio']:>10.2f}{ours['cpu']:>10.2f}{ours['p50']:>10.1f}{ours['p99']:>10.1f}"
        )
    print(f"largest worker: {memory:.0f} MiB resident")
    if options.json:
        options.json.write_text(json.dumps({"operations": measured, "memory": memory}, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
