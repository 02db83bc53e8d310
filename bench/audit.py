"""Measures what keeping the audit costs: ``python bench/audit.py``.

The same requests to the application in one process, with the audit and without, in turns; CPU of the whole process, so
that what is kept in the background counts too. The difference is told as a share of what the request takes on gunicorn.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import filling
import servers
import workload
from werkzeug.test import create_environ

from fhirplan import assembly, settings, telemetry
from fhirplan.store import audit
from fhirplan.store.engine import Transaction
from fhirplan.web.app import create_app

SERVER = "http://127.0.0.1:8080"
# What the audit may cost, of the request with it.
MOST = 0.1
Asked = Callable[[], None]


def main() -> int:
    """1 when the mark is missed."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        shares = measure(Path(name), options.resources, options.rounds, options.requests)
    for text, (whole, added) in shares.items():
        print(f"{text:<10}{whole * 1e6:>8.0f} us of CPU, {added * 1e6:>6.0f} for the audit: {added / whole:>6.3f}")
    return 0 if all(added / whole <= MOST for whole, added in shares.values()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=200, help="of each kind in a round")
    return parser.parse_args()


def measure(folder: Path, resources: int, rounds: int, requests: int) -> dict[str, tuple[float, float]]:
    """Of each kind of request the seconds of CPU it takes over HTTP, and those of them that the audit takes."""
    url = f"sqlite:///{folder / 'bench.db'}"
    filling.fill(url, resources)
    telemetry.configure("warning", "json")
    services = assembly.build(settings.load({}, auth="open", database_url=url, data_dir=str(folder)))
    audited, bare = create_app(services), create_app(replace(services, accesses=None))
    task = json.dumps(workload.new_task()).encode()
    kinds = {
        "read": ("/fhir/CarePlan/p1-plan", None),
        "search": ("/fhir/Task?patient=Patient/p1", None),
        "create": ("/fhir/Task", task),
    }
    found = {}
    for name, (path, body) in kinds.items():
        with_it: list[float] = []
        without: list[float] = []
        for turn in range(rounds + 2):
            kept = _cpu(_ask(audited, path, body), requests, lambda: services.accesses and services.accesses.keep())
            with _unaudited():
                left = _cpu(_ask(bare, path, body), requests, lambda: None)
            if turn > 1:
                with_it.append(kept)
                without.append(left)
        # The least, which other work on the machine disturbs least.
        found[name] = min(with_it) - min(without)
    services.database.close()
    with servers.ours("ours", url, folder, "gthread") as running:
        return {
            name: (_over_http(running, path, body, 5 * requests), found[name]) for name, (path, body) in kinds.items()
        }


@contextmanager
def _unaudited() -> Iterator[None]:
    """Changes are committed without their row of the audit."""
    many = Transaction.many

    def but_the_audit(self: Transaction, asked: Any, rows: Any) -> Any:
        return None if asked is audit.INSERT else many(self, asked, rows)

    Transaction.many = but_the_audit  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Transaction.many = many  # type: ignore[method-assign,assignment]


def _ask(app: Any, path: str, body: bytes | None) -> Asked:
    method, expected = ("GET", "200 OK") if body is None else ("POST", "201 Created")

    def ask() -> None:
        environ = create_environ(path, SERVER, method=method)
        environ["REMOTE_ADDR"] = "127.0.0.1"
        if body is not None:
            environ |= {
                "wsgi.input": BytesIO(body),
                "CONTENT_LENGTH": str(len(body)),
                "CONTENT_TYPE": "application/fhir+json",
            }
        answered: list[str] = []
        b"".join(app.wsgi_app(environ, lambda status, _headers: answered.append(status)))
        assert answered == [expected], (path, answered)

    return ask


def _over_http(running: servers.Server, path: str, body: bytes | None, requests: int) -> float:
    caller = http.client.HTTPConnection(running.url.removeprefix("http://"))
    method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/fhir+json"})
    begun = 0.0
    for number in range(requests + requests // 4):
        if number == requests // 4:
            begun = running.cpu()
        caller.request(method, path, body, headers)
        caller.getresponse().read()
    # What is kept in the background belongs to these requests.
    time.sleep(2 * audit.DELAY)
    return (running.cpu() - begun) / requests


def _cpu(ask: Asked, requests: int, end: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(requests):
        ask()
    end()
    return (time.process_time() - begun) / requests


if __name__ == "__main__":
    raise SystemExit(main())
