"""``fhirplan ehr probe`` against each persona: what it offers, and the way each change of ours would go."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fhirplan.cli import ehr
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server

KEPT = "kept here only"
DOCUMENT = "as DocumentReference"
MESSAGE = "as Communication"
ANSWER = "as QuestionnaireResponse"
OWN = {
    "create": "own create, conditional",
    "update": "own update, after a look",
    "delete": "own delete, after a look",
}


def only(way: str) -> dict[str, str]:
    return {"create": way, "update": way, "delete": KEPT}


# By the published CapabilityStatements, of August 2026: see ehr/vendors.
ROUTES: dict[str, dict[str, dict[str, str]]] = {
    "open": dict.fromkeys(("CarePlan", "Goal", "CareTeam", "Task"), OWN),
    "epic": {
        "CarePlan": only(DOCUMENT),
        "Goal": only(MESSAGE),
        "CareTeam": only(MESSAGE),
        "Task": {"create": "as ServiceRequest", "update": "own update, after a look", "delete": KEPT},
    },
    "oracle": {
        "CarePlan": only(DOCUMENT),
        "Goal": only(MESSAGE),
        "CareTeam": only(MESSAGE),
        "Task": only(MESSAGE),
    },
    "athena": {type_: only(ANSWER) for type_ in ("CarePlan", "Goal", "CareTeam", "Task")},
    "meditech": {type_: only(MESSAGE) for type_ in ("CarePlan", "Goal", "CareTeam", "Task")},
}


@pytest.fixture(params=list(ROUTES))
def persona(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    store = Store()
    server = Server("127.0.0.1", 0, create_app(store, PERSONAS[request.param]))
    server.start()
    yield request.param, f"{server.url}/fhir"
    server.stop()
    store.close()


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [name for name in os.environ if name.startswith("FHIRPLAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(ehr.command, ["probe", *arguments])


def test_each_change_of_ours_has_its_way(persona: tuple[str, str], probe: Any) -> None:
    name, base = persona
    done = probe(base, "--format", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["vendor"] == name
    assert found["transaction"] is (name == "open")
    assert {type_: found["types"][type_]["routes"] for type_ in ROUTES[name]} == ROUTES[name]


def test_the_matrix_is_printed_with_the_vendors_facts(persona: tuple[str, str], probe: Any) -> None:
    name, base = persona
    done = probe(base)
    assert done.exit_code == 0, done.output
    assert f"Treated as: {name}" in done.output
    assert "August 2026" in done.output
    for type_ in ("CarePlan", "Goal", "CareTeam", "Task"):
        assert type_ in done.output


def test_what_is_no_ehr_is_told(probe: Any) -> None:
    assert probe("ftp://somewhere").exit_code == 2
    done = probe("http://127.0.0.1:9/fhir")
    assert done.exit_code != 0
