"""SMART Backend Services against the sandbox: a token got, kept, renewed, shared, and never sent elsewhere."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhirplan import assembly, settings
from fhirplan.ehr import backend_auth
from fhirplan.ehr.backend_auth import Tokens, needs
from fhirplan.ehr.client import EhrClient, client
from fhirplan.ehr.discovery import Capabilities, TypeCapability
from fhirplan.ehr.keys import load_key, public_set
from fhirplan.ehr.transport import Transport
from fhirplan.errors import EhrUnavailable, Misconfigured
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.settings import Connection

OFFERED = Capabilities(
    "an EHR",
    "4.0.1",
    {
        "CarePlan": TypeCapability("CarePlan", frozenset({"read", "search-type"})),
        "Task": TypeCapability("Task", frozenset({"read", "search-type", "update"})),
        "Binary": TypeCapability("Binary", frozenset({"read"})),
    },
)


@pytest.fixture(scope="module", params=["RSA", "EC"])
def key_file(request: Any, tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("keys") / f"{request.param}.pem"
    key = RSAKey.generate_key(2048) if request.param == "RSA" else ECKey.generate_key("P-384")
    path.write_bytes(key.as_pem(private=True))
    return path


@pytest.fixture
def guarded(key_file: Path, tmp_path: Path, monkeypatch: Any) -> Any:
    """An EHR that wants tokens of ours, as a connection; ``lifetime`` is of its tokens in seconds."""
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps(public_set([load_key(key_file)])))
    running: list[Any] = []
    monkeypatch.setattr(backend_auth, "_shared", {})

    def start(persona: str = "open", lifetime: int = 300) -> Any:
        store = Store()
        gate = Gate(PERSONAS[persona], {"fhirplan": str(jwks)}, lifetime=lifetime)
        server = Server("127.0.0.1", 0, create_app(store, PERSONAS[persona], gate))
        server.start()
        running.extend((server.stop, store.close))
        connection = Connection(
            ehr_url=f"{server.url}/fhir",
            ehr_auth="backend-services",
            ehr_client_id="fhirplan",
            ehr_private_key=str(key_file),
        )
        return connection, gate, server

    yield start
    for end in running:
        end()


def asked_for(server: Any) -> int:
    listed = requests.get(f"{server.url}/admin/requests", timeout=5).json()["requests"]
    return sum(item["path"].endswith("/token") for item in listed)


@pytest.mark.parametrize("persona", ["open", "epic", "oracle"])
def test_it_gets_in_where_a_token_is_wanted(guarded: Any, persona: str) -> None:
    connection, _, _ = guarded(persona)
    with client(dataclasses.replace(connection, ehr_auth="none")) as stranger, pytest.raises(EhrUnavailable):
        stranger.read("Patient", "p1")
    with client(connection) as ehr:
        assert ehr.capabilities().software
        assert ehr.read("Patient", "p1") is None


def test_one_token_serves_all_threads_and_is_asked_for_once(guarded: Any) -> None:
    connection, _, server = guarded()
    gate = threading.Barrier(8)

    def use(_: int) -> None:
        with client(connection) as ehr:
            gate.wait()
            assert ehr.read("Patient", "p1") is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert asked_for(server) == 1


def test_a_token_that_ends_early_is_renewed_and_the_write_goes_through(guarded: Any) -> None:
    connection, gate, server = guarded()
    with client(connection) as ehr:
        assert ehr.read("Patient", "p1") is None
        shared = next(iter(backend_auth._shared.values()))
        gate.expire(f"Bearer {shared.current()}")
        made = ehr.create({"resourceType": "Patient", "name": [{"family": "Sample"}]})
        assert made.id
    assert asked_for(server) == 2


def test_a_token_is_renewed_before_its_end(guarded: Any, key_file: Path) -> None:
    connection, _, _ = guarded()
    now = [1_000_000.0]
    answers = iter(["one", "two"])
    held = Tokens(connection.ehr_url, "fhirplan", load_key(key_file), lambda: OFFERED, clock=lambda: now[0])
    held._fetched = lambda: backend_auth._Token(next(answers), now[0] + 300 - 30)  # type: ignore[method-assign]
    assert held.current() == "one"
    now[0] += 269
    assert held.current() == "one"
    now[0] += 2
    assert held.current() == "two"


def test_each_assertion_is_fresh_and_short(guarded: Any, key_file: Path, monkeypatch: Any) -> None:
    connection, _, _ = guarded()
    seen: list[dict[str, str]] = []
    real = backend_auth._asked

    def noting(method: str, url: str, timeout: float, form: Any = None) -> Any:
        if form:
            seen.append(dict(form))
        return real(method, url, timeout, form)

    monkeypatch.setattr(backend_auth, "_asked", noting)
    held = Tokens(connection.ehr_url, "fhirplan", load_key(key_file), lambda: OFFERED)
    first = held.current()
    held.refused(f"Bearer {first}")
    assert held.current() != first
    claims = [
        jwt.decode(form["client_assertion"], load_key(key_file), algorithms=["RS384", "ES384"]).claims for form in seen
    ]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["iss"] == claims[0]["sub"] == "fhirplan"
    assert claims[0]["aud"].endswith("/auth/token")
    assert 0 < claims[0]["exp"] - time.time() <= 300
    assert seen[0]["scope"] == "system/CarePlan.rs system/Task.rus"


def test_scopes_are_asked_for_by_need() -> None:
    assert needs(OFFERED, v2=True) == "system/CarePlan.rs system/Task.rus"
    assert needs(OFFERED, v2=False) == "system/CarePlan.read system/Task.read system/Task.write"


def test_a_client_that_is_not_known_there_waits_and_says_why(guarded: Any) -> None:
    connection, _, _ = guarded()
    with client(dataclasses.replace(connection, ehr_client_id="stranger")) as ehr:
        with pytest.raises(EhrUnavailable) as refused:
            ehr.read("Patient", "p1")
        assert "ehr_client_id" in refused.value.text
        assert not refused.value.outcome_unknown


def test_an_ehr_without_discovery_is_told(tmp_path: Path, key_file: Path) -> None:
    store = Store()
    server = Server("127.0.0.1", 0, create_app(store))
    server.start()
    try:
        held = Tokens(f"{server.url}/fhir", "fhirplan", load_key(key_file), lambda: OFFERED)
        ehr = EhrClient(Transport(f"{server.url}/fhir", tokens=held))
        with ehr, pytest.raises(EhrUnavailable, match="login"):
            ehr.read("Patient", "p1")
    finally:
        server.stop()
        store.close()


def test_our_public_keys_are_published_and_no_private_part(key_file: Path, tmp_path: Path) -> None:
    from fhirplan.web.app import create_app as server_app

    chosen = settings.load(
        {},
        auth="smart",
        data_dir=str(tmp_path),
        ehr_url="http://127.0.0.1:9/fhir",
        ehr_auth="backend-services",
        ehr_client_id="fhirplan",
        ehr_private_key=str(key_file),
    )
    answer = server_app(assembly.build(chosen)).test_client().get("/auth/jwks.json")
    assert answer.status_code == 200
    assert "max-age" in answer.headers["Cache-Control"]
    shown = answer.get_json()["keys"]
    assert load_key(key_file).kid in [key["kid"] for key in shown]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for key in shown for name in key}


@pytest.mark.parametrize("text", ["", "{}", "no key", '{"kty": "oct", "k": "AAAA"}'])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        load_key(path)
    assert str(path) in refused.value.text
    with pytest.raises(Misconfigured):
        load_key(tmp_path / "missing.pem")


def test_a_key_that_is_public_or_on_another_curve_is_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    (tmp_path / "public.json").write_text(json.dumps(ECKey.generate_key("P-384").as_dict(private=False)))
    for name in ("curve.pem", "public.json"):
        with pytest.raises(Misconfigured):
            load_key(tmp_path / name)
