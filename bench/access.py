"""Measures what authorization costs, in one process beside the floor: ``python bench/access.py``.

The same requests are carried out by the least that Flask can do, by our server when it is open, and by our server with
tokens; in turns, so that all meet the same machine. What authorization adds is told as a share of the floor's time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import filling
import floor
import servers
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import create_environ

from fhirplan import assembly, settings, telemetry
from fhirplan.access import token
from fhirplan.interactions.issuers import Issuer, Issuers
from fhirplan.store.access import grants
from fhirplan.web.app import create_app

BASE, AUTH = "http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/auth"
PATIENT, PLAN = "p1", "CarePlan/p1-plan"
# What authorization may add to a read, of the floor's time; and how long a search limited to a patient may take, of one
# without such limits for the same.
ADDED, SCOPED = 0.15, 1.0
# Two measurements of the same differ by as much on a busy machine.
NOISE = 0.1
Ask = Callable[[], None]


def main() -> int:
    """1 when a mark is missed."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        asked = _asked(Path(name), options.resources)
        times = measure(asked, options.rounds, options.requests)
        times["floor, read over HTTP"] = _over_http(Path(name), 2000)
    shares = _shares(times)
    for text, value in shares.items():
        print(f"{text:<58}{value:>8.3f}")
    for text, value in times.items():
        print(f"  {text:<56}{value * 1e6:>8.0f} us")
    if options.json:
        options.json.write_text(json.dumps({"seconds": times, "shares": shares}, indent=2) + "\n")
    return 0 if all(value <= _most(text) for text, value in shares.items()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--requests", type=int, default=10, help="of each kind in a round")
    parser.add_argument("--json", type=Path, help="also write the results here")
    return parser.parse_args()


def _asked(folder: Path, resources: int) -> dict[str, Ask]:
    """The requests that are measured, by name."""
    url = f"sqlite:///{folder / 'bench.db'}"
    filling.fill(url, resources)
    given = {"database_url": url, "data_dir": str(folder), "log_level": "warning"}
    telemetry.configure("warning", "json")
    open_ = create_app(assembly.build(settings.load({}, auth="open", **given)))
    guarded, tokens = _guarded(given)
    narrow, wide = tokens
    task = f"/fhir/Task?patient=Patient/{PATIENT}"
    body = _body(open_, f"/fhir/{PLAN}")
    (folder / "read.json").write_bytes(body)
    (folder / "search.json").write_bytes(_body(open_, task))
    least = floor.create_app(folder)
    found = [json.loads(text)["entry"] for text in (_body(open_, task), _body(guarded, "/fhir/Task", narrow))]
    assert found[0] == found[1]
    assert found[0]
    return {
        "floor, read": _ask(least, "/read/x"),
        "open, read": _ask(open_, f"/fhir/{PLAN}"),
        "patient's token, read": _ask(guarded, f"/fhir/{PLAN}", narrow),
        "system's token, read": _ask(guarded, f"/fhir/{PLAN}", wide),
        "open, search by patient": _ask(open_, task),
        "patient's token, search by patient": _ask(guarded, task, narrow),
        "patient's token, search of the type": _ask(guarded, "/fhir/Task", narrow),
        "system's token, search by patient": _ask(guarded, task, wide),
    }


def _guarded(given: dict[str, Any]) -> tuple[Any, tuple[str, str]]:
    """A server that takes tokens signed here, with grants that are looked up as in service; and two tokens."""
    services = assembly.build(settings.load({}, auth="smart", **given))
    key = ECKey.generate_key("P-384", {"kid": "bench"})
    public = token.public_keys({"keys": [key.as_dict(private=False)]})
    own = Issuer(AUTH, "default", frozenset({BASE}), keys=lambda _kid: public, own=True)
    services = replace(services, issuers=Issuers((own,), services.issuers.revoked))
    now = int(time.time())
    made = []
    for number, scope in enumerate(("patient/*.cruds", "system/*.cruds")):
        gid = f"g{number}"
        with services.database.write() as tx:
            expires = (now + 3600) * 1000
            grants.add(tx, grants.Grant(gid, "default", "bench", "bench", "", scope, "", "", now * 1000, expires))
        claims = {"iss": AUTH, "aud": BASE, "sub": "s", "client_id": "bench", "scope": scope, "gid": gid}
        claims |= {"exp": now + 3600, "patient": PATIENT if number == 0 else ""}
        made.append(jwt.encode({"alg": "ES384", "kid": "bench", "typ": "at+jwt"}, claims, key, algorithms=["ES384"]))
    return create_app(services), (made[0], made[1])


def _ask(app: Any, path: str, bearer: str = "") -> Ask:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def ask() -> None:
        environ = create_environ(path, BASE.removesuffix("/fhir"), headers=headers)
        environ["REMOTE_ADDR"] = "127.0.0.1"
        answered: list[str] = []
        body = app.wsgi_app(environ, lambda status, _headers: answered.append(status))
        b"".join(body)
        assert answered == ["200 OK"], (path, answered)

    return ask


def _body(app: Any, path: str, bearer: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    answer = app.test_client().get(path, base_url=BASE.removesuffix("/fhir"), headers=headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: bytes = answer.get_data()
    return found


def measure(asked: dict[str, Ask], rounds: int, requests: int) -> dict[str, float]:
    """Seconds of one request of each kind: the least of all rounds, which other work on the machine disturbs least."""
    times: dict[str, list[float]] = {name: [] for name in asked}
    for ask in asked.values():
        for _ in range(50):
            ask()
    for _ in range(rounds):
        for name, ask in asked.items():
            begun = time.perf_counter()
            for _ in range(requests):
                ask()
            times[name].append((time.perf_counter() - begun) / requests)
    return {name: min(found) for name, found in times.items()}


def _over_http(folder: Path, requests: int) -> float:
    """Seconds of CPU that the floor spends on one request on gunicorn, as every server is measured."""
    with servers.floor(folder, "gthread") as running:
        caller = http.client.HTTPConnection(running.url.removeprefix("http://"))
        begun = 0.0
        for number in range(requests + requests // 4):
            if number == requests // 4:
                begun = running.cpu()
            caller.request("GET", "/read/x")
            caller.getresponse().read()
        return (running.cpu() - begun) / requests


def _shares(times: dict[str, float]) -> dict[str, float]:
    least, plain = times["floor, read over HTTP"], times["open, read"]
    search = times["system's token, search by patient"]
    return {
        "added to a read by a patient's token, of the floor": (times["patient's token, read"] - plain) / least,
        "added to a read by a system's token, of the floor": (times["system's token, read"] - plain) / least,
        "search by patient, a patient's token to a system's": times["patient's token, search by patient"] / search,
        "search of the type by a patient's token, to the same": times["patient's token, search of the type"] / search,
    }


def _most(text: str) -> float:
    return ADDED if text.startswith("added") else SCOPED + NOISE


if __name__ == "__main__":
    raise SystemExit(main())
