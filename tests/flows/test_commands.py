"""The commands about sync, as somebody at a terminal or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest

from fhirplan.cli import conflicts, ehr, outbox, sync
from fhirplan.cli.main import command as main


@pytest.fixture
def run(clinic: Any, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on the test's database and EHR; gives its result."""
    monkeypatch.setenv("FHIRPLAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FHIRPLAN_EHR_URL", clinic.base)
    monkeypatch.chdir(tmp_path)
    runner = click.testing.CliRunner()

    def invoke(command: Any, *words: str) -> Any:
        return runner.invoke(command, words)

    return invoke


def test_sync_says_that_both_sides_agree(run: Any, clinic: Any, make: Any) -> None:
    clinic.put(make.patient())
    done = run(sync.command, "--once")
    assert done.exit_code == 0, done.output
    assert "1 pulled" in done.output
    assert "Both sides agree." in done.output


def test_sync_tells_a_script_what_is_left_and_exits_with_1(run: Any, ours: Any, clinic: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    assert run(sync.command, "--once").exit_code == 0
    clinic.put(make.goal(text="The clinic's"))
    ours.edit("Goal", "g1", description={"text": "Ours"})
    done = run(sync.command, "--once", "--format", "json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["agreed"], report["conflicts"], report["waiting"]) == (False, 1, 0)


def test_sync_dry_run_changes_nothing(run: Any, ours: Any, clinic: Any, make: Any) -> None:
    clinic.put(make.patient())
    done = run(sync.command, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "What would happen" in done.output
    assert ours.get("Patient", "p1") is None


def test_a_conflict_is_listed_shown_and_resolved(run: Any, ours: Any, clinic: Any, make: Any) -> None:
    assert "There is no conflict." in run(conflicts.command, "list").output
    clinic.put(make.patient())
    clinic.put(make.goal())
    run(sync.command)
    clinic.put(make.goal(text="The clinic's"))
    ours.edit("Goal", "g1", description={"text": "Ours"})
    run(sync.command)
    (listed,) = json.loads(run(conflicts.command, "list", "--format", "json").stdout)
    assert (listed["type"], listed["id"], listed["paths"]) == ("Goal", "g1", ["Goal.description"])
    number = str(listed["number"])
    shown = run(conflicts.command, "show", number).output
    assert "The clinic's" in shown
    assert "Ours" in shown
    assert run(conflicts.command, "resolve", number, "--take", "ours").exit_code == 0
    assert run(sync.command, "--once").exit_code == 0
    assert clinic.get("Goal/g1")["description"]["text"] == "Ours"


def test_what_the_ehr_refused_is_listed_with_its_words_and_can_be_retried(
    run: Any, ours: Any, door: Any, clinic: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIRPLAN_EHR_URL", door.base)
    ours.save(make.patient("mine"))
    door.fault = lambda method, _path: "422" if method == "POST" else ""
    assert run(sync.command, "--once").exit_code == 1
    (row,) = json.loads(run(outbox.command, "list", "--format", "json").stdout)
    assert (row["state"], row["id"]) == ("parked", "mine")
    assert "A name is needed." in row["why"]
    assert "parked" in run(outbox.command, "list").output
    door.fault = lambda *_: ""
    assert run(outbox.command, "retry", str(row["number"])).exit_code == 0
    assert run(sync.command, "--once").exit_code == 0
    assert "Nothing waits." in run(outbox.command, "list").output


def test_a_change_can_be_parked_and_unknown_numbers_are_told(run: Any, ours: Any, make: Any) -> None:
    ours.save(make.patient("mine"))
    (row,) = json.loads(run(outbox.command, "list", "--format", "json").stdout)
    assert run(outbox.command, "park", str(row["number"])).exit_code == 0
    assert [item.state for item in ours.waiting()] == ["parked"]
    assert "no change 99" in run(outbox.command, "retry", "99").exception.text


def test_probe_prints_what_the_ehr_takes(run: Any, clinic: Any) -> None:
    done = run(ehr.command, "probe", clinic.base)
    assert done.exit_code == 0, done.output
    assert "CarePlan" in done.output
    assert "own create" in done.output
    told = json.loads(run(ehr.command, "probe", clinic.base, "--format", "json").stdout)
    assert told["types"]["Goal"]["routes"]["create"] == "own create, conditional"


def test_probe_of_something_that_is_no_url_is_a_usage_error(run: Any) -> None:
    assert run(ehr.command, "probe", "ftp://x").exit_code == 2


@pytest.mark.parametrize("name", ["sync", "worker", "conflicts", "outbox", "ehr"])
def test_each_command_has_help(name: str, run: Any) -> None:
    done = run(main, name, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_an_unknown_connection_is_a_usage_error(run: Any) -> None:
    assert run(sync.command, "--connection", "nobody").exit_code == 2
