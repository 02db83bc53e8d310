"""Measures the operations over HTTP beside the floor, PostgreSQL and peers, in turns: ``python bench/serving.py``."""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import filling
import load
import peers
import processes
import servers
import workload
from servers import Server

# The least share of the floor's requests a second, and the most that p99 may be of p50.
MARKS = {"read": 0.6, "search": 0.5, "create": 0.2, "update": 0.15}
# Times the best Python peer.
AGAINST = {"read": 2.5, "search": 10.0, "create": 2.0, "update": 1.3, "transaction": 6.0}
RESOURCES_A_SECOND, TAIL, MEMORY = 2500, 10.0, 150.0
Measured = dict[str, dict[str, dict[str, float]]]


def main() -> int:
    """Runs the benchmark; 1 when a mark is missed."""
    options = _options()
    if not load.available():
        print("wrk is not installed, so HTTP is not measured (Debian: apt-get install wrk).")
        return 0
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        running = _started(stack, folder, options)
        measured = measure(running, _scripts(running, folder, options), options)
        memory = {item.name: processes.resident(item.pid) for item in running if item.name.startswith("ours")}
    report(measured, memory, options)
    if options.json:
        options.json.write_text(json.dumps({"operations": measured, "memory": memory}, indent=2) + "\n")
    return 0 if kept(measured, memory) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operations", nargs="*", default=list(workload.OPERATIONS), help="some of them, else all")
    parser.add_argument("--resources", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--worker-class", default="gthread", choices=tuple(servers.WORKER_CLASSES))
    parser.add_argument("--postgresql", action="store_true", help="our server on PostgreSQL too")
    parser.add_argument("--peers", action="store_true", help="Python peers too, in an environment of their own")
    parser.add_argument("--json", type=Path, help="also write the results here")
    return parser.parse_args()


def _started(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> list[Server]:
    count, worker_class = options.resources, options.worker_class
    url = f"sqlite:///{folder / 'bench.db'}"
    filling.fill(url, count)
    mine = stack.enter_context(servers.ours("ours", url, folder, worker_class))
    keep_answers(mine, folder)
    running = [stack.enter_context(servers.floor(folder, worker_class)), mine]
    if options.postgresql:
        missing = filling.has_postgresql()
        if missing:
            print(f"PostgreSQL is left out: {missing}")
        else:
            other = stack.enter_context(filling.postgresql(count))
            running.append(stack.enter_context(servers.ours("ours, PG", other, folder, worker_class)))
    if options.peers:
        running += peers.started(stack, folder, count)
    return running


def keep_answers(server: Server, folder: Path) -> None:
    """Keeps the answers that the floor gives, after a look at whether they are right."""
    read = servers.get(f"{server.url}/fhir/CarePlan/p1-plan")
    found = servers.get(f"{server.url}/fhir/{workload.search(1)}")
    assert json.loads(read)["id"] == "p1-plan"
    entries = json.loads(found)["entry"]
    assert len(entries) == workload.FOUND, entries
    assert {"Goal", "CareTeam", "Task", "CarePlan"} == {entry["resource"]["resourceType"] for entry in entries}
    (folder / "read.json").write_bytes(read)
    (folder / "search.json").write_bytes(found)


def _scripts(running: list[Server], folder: Path, options: argparse.Namespace) -> dict[tuple[str, str], Path]:
    made: dict[tuple[str, str], Path] = {}
    for operation in options.operations:
        for server in running:
            if operation in peers.cannot(server.name):
                continue
            if server.name == "floor":
                text = workload.floor(operation, options.resources)
            else:
                text = workload.script(operation, server.base, options.resources, *peers.includes(server.name))
            made[operation, server.name] = workload.write(folder, server.name.replace(", ", "-"), operation, text)
    return made


def measure(running: list[Server], scripts: dict[tuple[str, str], Path], options: argparse.Namespace) -> Measured:
    """The median speeds of all servers for each operation, loaded in turns, after a turn that does not count."""
    given = {"connections": options.connections}
    measured: Measured = {}
    for operation in options.operations:
        found: dict[str, list[dict[str, float]]] = {}
        for part in range(options.rounds + 1):
            for server in running:
                path = scripts.get((operation, server.name))
                if path is None:
                    continue
                seconds = options.seconds if part else 1
                speed = load.run(server, path, seconds=seconds, part=part, **given)
                if part:
                    found.setdefault(server.name, []).append(asdict(speed))
        measured[operation] = {
            name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            for name, rounds in found.items()
        }
        print(f"  {operation} measured", flush=True)
    return measured


def report(measured: Measured, memory: dict[str, float], options: argparse.Namespace) -> None:
    """Prints the table."""
    print(
        f"HTTP, gunicorn {options.worker_class} x {servers.WORKERS}, {options.connections} connections, "
        f"{options.resources} resources; floor = bare Flask with the same bytes; share = of its requests/s"
    )
    head = ("", "", "requests/s", "share", "goal", "CPU share", "ms CPU", "p50 ms", "p99 ms", "ours is", "goal")
    print(("{:12}{:14}" + "{:>11}" * 9).format(*head))
    for operation, row in measured.items():
        least, mine = row["floor"], row["ours"]
        for name, one in row.items():
            is_peer = name not in ("floor", "ours", "ours, PG")
            cells = [
                f"{one['rate']:.0f}",
                "" if name == "floor" else f"{one['rate'] / least['rate']:.2f}",
                f"{MARKS[operation]:.2f}" if name == "ours" and operation in MARKS else "",
                "" if name == "floor" else f"{least['cpu'] / one['cpu']:.2f}",
                *(f"{one[key]:.{digits}f}" for key, digits in (("cpu", 2), ("p50", 1), ("p99", 1))),
                f"{mine['rate'] / one['rate']:.1f} x" if is_peer else "",
                f"{AGAINST[operation]:.1f} x" if is_peer else "",
            ]
            print(f"{operation:12}{name:14}" + "".join(f"{cell:>11}" for cell in cells))
    if "transaction" in measured:
        each = measured["transaction"]["ours"]["rate"] * workload.ENTRIES
        print(f"transactions store {each:.0f} resources a second (goal {RESOURCES_A_SECOND})")
    for name, size in memory.items():
        print(f"largest worker ({name}): {size:.0f} MiB resident (goal below {MEMORY:.0f})")


def kept(measured: Measured, memory: dict[str, float]) -> bool:
    """Whether our server on SQLite met its marks."""
    mine = {operation: row["ours"] for operation, row in measured.items()}
    enough = all(
        one["rate"] >= MARKS.get(operation, 0.0) * measured[operation]["floor"]["rate"]
        and one["p99"] < TAIL * one["p50"]
        for operation, one in mine.items()
    )
    many = "transaction" not in mine or mine["transaction"]["rate"] * workload.ENTRIES >= RESOURCES_A_SECOND
    return enough and many and memory["ours"] < MEMORY


if __name__ == "__main__":
    raise SystemExit(main())
