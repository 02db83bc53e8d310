"""A recorded sync played again without its EHR: the same report, whatever happened, and no token on the tape."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fhirplan.cli import replay as replay_command
from fhirplan.cli import sync as sync_command
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.tape import OffTheTape
from fhirplan.ehr.transport import Transport
from fhirplan.sync.recording import Recording, differences
from fhirplan.sync.replay import load

TOKEN = "a-token-that-nobody-may-see"


def circumstances(sides: Any, **how: bool) -> dict[str, Any]:
    return {
        "how": {"dry_run": False, "full": False, "once": True, **how},
        "renews": sides.client.renews,
        "connection": "default",
        "settings": {"base_url": "http://127.0.0.1:8080", "validation": "base"},
        "ofConnection": {
            "ehr_url": sides.border.ehr_base,
            "ehr_vendor": "",
            "ehr_patients": "",
            "ehr_timeout": 5.0,
            "ehr_failures_before_pause": sides.failures_before_pause,
            "ehr_longest_pause": sides.longest_pause,
            "push_lanes": sides.lanes,
            "push_bundle_entries": sides.bundle,
            "merge_policy": "ask",
            "merge_paths": [],
            "import_validation": "server",
        },
        "patients": None,
    }


def recorded(ours: Any, path: Path, *, scrub: bool = False, **how: bool) -> Any:
    """Syncs as ``fhirplan sync --record`` does, with the tests' own sides."""
    with Recording(path, ours.sides, circumstances(ours.sides, **how), scrub=scrub) as recording:
        report = type(ours)(recording.sides).sync(**{"once": True, **how})
        recording.ended(report)
    return report


def same(path: Path) -> Any:
    """Plays it and says that it came to the same."""
    tape = load(path)
    made = replay_command.replayed(tape)
    assert tape.report is not None
    # The tests' own sides validate nothing, so findings are not compared here.
    for report in (tape.report, made.comparable):
        for item in report["types"]:
            item["with_findings"] = 0
    assert differences(tape.report, made.comparable) == ()
    assert made.unplayed == 0
    return made


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "sync.tape"


def test_a_first_pull_is_played_again(clinic: Any, ours: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    report = recorded(ours, tape)
    assert same(tape).report.pulled == report.pulled == 2


@pytest.mark.parametrize("scrub", [False, True])
def test_a_conflict_is_played_again_from_what_was_known_before(
    scrub: bool, clinic: Any, ours: Any, make: Any, tape: Path
) -> None:
    """The bug in the field: what happened before the recording is on it, as far as it matters."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.goal("g2"))
    ours.sync()
    ours.edit("Goal", "g1", description={"text": "Ours"})
    clinic.put(make.goal(text="Theirs"))
    ours.edit("Goal", "g2", startDate="2026-10-01")
    clinic.put(make.goal("g2", text="Merged"))
    report = recorded(ours, tape, scrub=scrub)
    made = same(tape)
    assert (made.report.conflicts, made.report.pushed) == (report.conflicts, report.pushed) == (1, 1)


FAULTS = {
    "a lost reply to a create": lambda method, path, first: "cut" if method == "POST" and first else "",
    "a refusal": lambda method, path, first: "422" if method in ("POST", "PUT") and first else "",
    "a page that breaks off": lambda method, path, first: "half" if "Goal?" in path and first else "",
    "an HTML page": lambda method, path, first: "html" if "Goal?" in path and first else "",
    "a server that is down for one type": lambda method, path, first: "503" if "Goal?" in path else "",
    "a connection that is closed": lambda method, path, first: "refuse" if method in ("POST", "PUT") and first else "",
}


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.timeout(300)
def test_a_fault_is_played_again(fault: str, clinic: Any, door: Any, behind_door: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    behind_door.edit("Goal", "g1", description={"text": "Ours"})
    behind_door.save(make.goal("born-here"))
    met: list[str] = []

    def broken(method: str, path: str) -> str:
        found = FAULTS[fault](method, path, not met)
        met.extend([found] if found else [])
        return found

    door.fault = broken
    recorded(behind_door, tape)
    assert met
    clinic.server.stop()
    door.close()
    same(tape)


@pytest.mark.parametrize(("lanes", "failures_before_pause"), [(1, 5), (4, 10_000)])
def test_a_faulty_day_is_played_again(
    clinic: Any, ours: Any, make: Any, tape: Path, lanes: int, failures_before_pause: int
) -> None:
    """Everything at once: pages, faults of many kinds, creations and edits, a pause, and lanes side by side.

    Not a pause with lanes side by side: which lane's failure is the one too many is decided by the threads.
    """
    import requests

    ours = type(ours)(dataclasses.replace(ours.sides, lanes=lanes, failures_before_pause=failures_before_pause))
    for number in range(8):
        clinic.put(make.patient(f"p{number}"))
        clinic.put(make.goal(f"g{number}", subject={"reference": f"Patient/p{number}"}))
    ours.sync()
    for number in range(8):
        ours.edit("Goal", f"g{number}", description={"text": f"Ours {number}"})
        ours.save(make.task(f"t{number}", **{"for": {"reference": f"Patient/p{number}"}}))
    rules = [{"fault": kind, "rate": 0.15} for kind in ("lost-reply", "unavailable", "duplicates", "html", "bump")]
    asked = {"rules": rules, "seed": 3}
    assert requests.post(f"{clinic.server.url}/admin/faults", json=asked, timeout=5).status_code == 200
    recorded(ours, tape)
    clinic.server.stop()
    same(tape)


def test_no_token_is_on_it_and_only_its_owner_may_read_it(clinic: Any, ours: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient())
    with EhrClient(Transport(clinic.base, token=TOKEN)) as client:
        recorded(type(ours)(dataclasses.replace(ours.sides, client=client)), tape)
    assert TOKEN not in tape.read_text(encoding="utf-8")
    assert "uthorization" not in tape.read_text(encoding="utf-8")
    assert stat.S_IMODE(tape.stat().st_mode) == 0o600


def test_scrubbed_it_has_no_names_and_no_words(clinic: Any, ours: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient(name=[{"family": "Quist", "given": ["Elena"]}], birthDate="1950-04-02"))
    clinic.put(make.goal(text="Walk to the mailbox"))
    ours.sync()
    ours.edit("Goal", "g1", description={"text": "Walk to the church"})
    recorded(ours, tape, scrub=True, full=True)
    text = tape.read_text(encoding="utf-8")
    assert "Patient" in text
    assert [word for word in ("Quist", "Elena", "1950-04-02", "mailbox", "church") if word in text] == []
    same(tape)


def test_it_takes_no_more_room_than_it_may_and_the_sync_goes_on(clinic: Any, ours: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient())
    for number in range(20):
        clinic.put(make.goal(f"g{number}"))
    with Recording(tape, ours.sides, circumstances(ours.sides), max_bytes=10_000) as recording:
        report = type(ours)(recording.sides).sync()
        recording.ended(report)
    assert report.agreed
    assert recording.full
    assert 0 < tape.stat().st_size <= 10_000
    assert load(tape).report is None


def test_a_program_that_acts_otherwise_is_told(clinic: Any, ours: Any, make: Any, tape: Path) -> None:
    clinic.put(make.patient())
    recorded(ours, tape)
    changed = [line for line in tape.read_text(encoding="utf-8").splitlines() if "/Goal?" not in line]
    tape.write_text("\n".join(changed), encoding="utf-8")
    with pytest.raises(OffTheTape) as told:
        replay_command.replayed(load(tape))
    assert "Goal" in told.value.text


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"recording": {"form": 999}}', '{"row": {}}'])
def test_what_is_no_recording_is_refused(text: str, tape: Path) -> None:
    from fhirplan.errors import MalformedRequest

    tape.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedRequest):
        load(tape)


def test_the_commands_record_and_replay(
    clinic: Any, make: Any, tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhirplan.store.engine import Database

    for name in [name for name in os.environ if name.startswith("FHIRPLAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FHIRPLAN_EHR_URL", clinic.base)
    monkeypatch.setenv("FHIRPLAN_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    made = Database.open(f"sqlite:///{tmp_path / 'data' / 'fhirplan.db'}")
    made.migrate()
    made.close()
    clinic.put(make.patient())
    clinic.put(make.goal())
    first = CliRunner().invoke(sync_command.command, ["--once", "--record", str(tape)])
    assert first.exit_code == 0, first.output
    assert CliRunner().invoke(sync_command.command, ["--record", str(tape)]).exit_code == 2
    clinic.server.stop()
    again = CliRunner().invoke(replay_command.command, [str(tape), "--format", "json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.output)["differences"] == []
    text = tape.read_text(encoding="utf-8").replace('"pulled":2', '"pulled":3')
    tape.write_text(text, encoding="utf-8")
    other = CliRunner().invoke(replay_command.command, [str(tape)])
    assert other.exit_code == 1
    assert "pulled: recorded 3, replayed 2" in other.output


def test_what_differs_is_told_type_by_type() -> None:
    recorded = {"agreed": True, "types": [{"type": "Goal", "new": 2, "gone": 0}, {"type": "Task", "new": 1}]}
    replayed = {"agreed": True, "types": [{"type": "Goal", "new": 1, "gone": 0}]}
    assert differences(recorded, replayed) == (
        "Goal.new: recorded 2, replayed 1",
        "Task.new: recorded 1, replayed nothing",
    )
