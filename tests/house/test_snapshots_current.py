"""The house: the snapshots in profiles/ are those that follow from the differentials beside them."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _written():
    spec = importlib.util.spec_from_file_location("snapshots", ROOT / "scripts" / "snapshots.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.written()


@pytest.mark.parametrize(("file", "text"), sorted(_written().items()), ids=lambda one: getattr(one, "stem", ""))
def test_a_snapshot_follows_from_its_differential(file, text):
    assert file.read_text(encoding="utf-8") == text, f"{file.name} is stale; run python scripts/snapshots.py"
