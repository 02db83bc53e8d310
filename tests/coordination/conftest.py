"""Gives each test the sample bundles with their scenarios, the illegal updates, and the plain reference computation."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fhirplan.fhir.codec import loads

ROOT = Path(__file__).parents[2]
SCENARIOS: list[dict[str, Any]] = json.loads((ROOT / "fixtures" / "scenarios.json").read_text())["scenarios"]
ILLEGAL = sorted((ROOT / "fixtures" / "illegal-updates").glob("u*.json"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a ``scenario`` or an ``illegal`` update once for each of them."""
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize("scenario", SCENARIOS, ids=[one["id"] for one in SCENARIOS])
    if "illegal" in metafunc.fixturenames:
        metafunc.parametrize("illegal", [loads(one.read_bytes()) for one in ILLEGAL], ids=[one.stem for one in ILLEGAL])


@pytest.fixture(scope="session")
def bundles() -> dict[str, list[dict[str, Any]]]:
    """The resources of every sample bundle, by its id."""
    folder = ROOT / "fixtures" / "bundles"
    return {
        one["id"]: [entry["resource"] for entry in loads((folder / one["file"]).read_bytes())["entry"]]
        for one in SCENARIOS
    }


@pytest.fixture
def resources(scenario: dict[str, Any], bundles: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The resources of the scenario's bundle."""
    return bundles[scenario["id"]]


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The slow computation of ``tests/fixtures`` (importlib mode leaves it off the import path)."""
    spec = importlib.util.spec_from_file_location(
        "reference_coordination", ROOT / "tests" / "fixtures" / "reference_coordination.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
