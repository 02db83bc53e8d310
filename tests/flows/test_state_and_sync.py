"""The coordination state that is derived here goes to the EHR, and comes to rest there and here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhirplan.projection.project import Projecting, project
from fhirplan.store.coordination.ruled import Rules

BUNDLE = Path(__file__).parents[2] / "fixtures" / "bundles" / "b01-hf-home-health.json"


@pytest.fixture
def state(clinic: Any, ours: Any) -> Any:
    """Both sides with a sample patient; ``state()`` derives what follows and gives how much it wrote."""
    for entry in json.loads(BUNDLE.read_text(encoding="utf-8"))["entry"]:
        clinic.put(entry["resource"])
    ours.sync()
    numbers = iter(range(1000))
    sides = ours.sides
    rules = Rules(ZoneInfo("America/Chicago"), lambda: f"derived-{next(numbers)}", {})
    to = Projecting(sides.database, "default", rules, sides.clock, push=True, base=sides.border.our_base)

    def derive() -> int:
        return project(to, "pat-hf")

    return derive


def test_what_is_derived_is_sent_once_and_is_not_derived_again(clinic: Any, ours: Any, state: Any) -> None:
    assert state() > 1
    for _ in range(3):
        assert ours.sync().agreed
        assert state() == 0
    (shown,) = clinic.all("List")
    assert shown["source"]["reference"] == f"{ours.sides.border.our_base}/Device/fhirplan"
    assert len(clinic.history("List")[shown["id"]]) == 1


def test_an_ehr_that_stores_a_list_in_its_own_way_is_not_written_to_for_ever(
    clinic: Any, ours: Any, state: Any
) -> None:
    state()
    ours.sync()
    (shown,) = clinic.all("List")
    clinic.put({key: value for key, value in shown.items() if key not in ("source", "note", "title")})
    for _ in range(3):
        ours.sync()
        assert state() == 0
    assert len(clinic.history("List")[shown["id"]]) == 2
    ours.edit("Task", "task-hh", status="completed")
    assert state() >= 1
