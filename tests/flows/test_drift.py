"""An EHR that changes what it offers is noticed: in the log, the report, the metrics and ``fhirplan ehr drift``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fhirplan.jobs.passes import probe_is_due, probe_pass
from fhirplan.store.sync import offers
from fhirplan.sync.drift import accept, known_drift, look


@pytest.fixture
def lose(ours: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the EHR offer less of a type from now on."""

    def change(type_: str, *interactions: str) -> None:
        real = ours.sides.client.capabilities

        def fewer(**how: Any) -> Any:
            known = real(**how)
            item = known.of(type_)
            left = dataclasses.replace(item, interactions=item.interactions - set(interactions))
            return dataclasses.replace(known, types={**known.types, type_: left})

        monkeypatch.setattr(ours.sides.client, "capabilities", fewer)

    return change


def test_an_update_that_disappears_is_told_and_stays_told(ours: Any, lose: Any) -> None:
    assert look(ours.sides) == ()
    lose("CarePlan", "update")
    said = look(ours.sides, anew=True)
    assert "CarePlan update disappeared." in said
    assert any(text.startswith("our update of CarePlan: was own update") for text in said)
    assert look(ours.sides) == said


def test_what_comes_back_is_told_no_more(ours: Any, lose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look(ours.sides)
    lose("CarePlan", "update")
    assert look(ours.sides)
    monkeypatch.undo()
    assert look(ours.sides) == ()


def test_what_changed_first_keeps_its_time(ours: Any, lose: Any) -> None:
    look(ours.sides)
    lose("CarePlan", "update")
    look(dataclasses.replace(ours.sides, clock=lambda: 1_000))
    lose("Goal", "update")
    look(dataclasses.replace(ours.sides, clock=lambda: 2_000))
    known = known_drift(ours.database, "default")
    assert known is not None
    assert known.drift["CarePlan update"] == ("yes", 1_000)
    assert known.drift["Goal update"] == ("yes", 2_000)


def test_accepting_takes_it_for_what_is_offered(ours: Any, lose: Any) -> None:
    look(ours.sides)
    lose("CarePlan", "update")
    look(ours.sides)
    accept(ours.database, "default")
    assert look(ours.sides) == ()


def test_a_sync_tells_it_and_still_agrees(ours: Any, lose: Any) -> None:
    assert ours.sync().drift == ()
    lose("CarePlan", "update")
    report = ours.sync()
    assert report.agreed
    assert "CarePlan update disappeared." in report.drift
    assert "CarePlan update disappeared." in report.as_json()["drift"]


def test_a_dry_run_keeps_nothing(ours: Any) -> None:
    ours.sync(dry_run=True)
    with ours.database.read() as tx:
        assert offers.of(tx, "default") is None


def test_the_daily_probe_is_due_once_a_day_for_all_workers(ours: Any) -> None:
    now = ours.sides.clock()
    assert probe_is_due(ours.database, "default", now - 86_400_000)
    probe_pass(ours.sides)
    assert not probe_is_due(ours.database, "default", now - 86_400_000)
    assert probe_is_due(ours.database, "default", now + 86_400_000)
