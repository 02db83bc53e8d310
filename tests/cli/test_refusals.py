"""What a person may get wrong at a command: it says what to do, and ends with the code that it promises."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from fhirplan.cli.main import main; main()"]
NURSE = {"resourceType": "Practitioner", "id": "n1", "name": [{"family": "Sample"}]}
NOBODY = "http://127.0.0.1:9/fhir"


def run(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """The exit code and all that was said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIRPLAN_")}
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, env={**kept, **environ}, capture_output=True, timeout=110, check=False
    )
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    return done.returncode, said


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = run(tmp_path, "migrate", FHIRPLAN_DATA_DIR=str(tmp_path / "file" / "below"))
    assert code == 2
    assert f"The folder {tmp_path}/file/below cannot be made" in said
    assert "data_dir" in said


def test_settings_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "fhirplan.toml").write_bytes(b'\xef\xbb\xbfehr_label = "Clinic"\r\n')
    assert run(tmp_path, "migrate")[0] == 0


def test_typographic_quotation_marks_in_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "fhirplan.toml").write_text("# “a remark”\nehr_label = “Clinic”\n", encoding="utf-8")
    code, said = run(tmp_path, "migrate")
    assert code == 2
    assert "Line 2 has “, which is no quotation mark here" in said


def test_settings_in_another_encoding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fhirplan.toml").write_bytes('ehr_label = "Clínica"'.encode("latin-1"))
    code, said = run(tmp_path, "migrate")
    assert code == 2
    assert "Save it as UTF-8" in said


def test_an_empty_folder_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, said = run(tmp_path, "validate", "empty")
    assert code == 2
    assert "nothing was validated" in said


def test_no_text_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "nothing.json").write_text("\n")
    code, said = run(tmp_path, "validate", "nothing.json")
    assert code == 1
    assert "there is no text at all" in said


def test_typographic_quotation_marks_in_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "pasted.json").write_text("{“resourceType”: 1}", encoding="utf-8")
    code, said = run(tmp_path, "validate", "pasted.json")
    assert code == 1
    assert "“ is no quotation mark here" in said


def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in ("serve", "sandbox"):
            code, said = run(tmp_path, command, "--port", port, FHIRPLAN_DATA_DIR=str(tmp_path))
            assert code == 2
            assert f"Port {port} on 127.0.0.1 is taken by another program" in said


def test_a_host_that_is_not_this_machine_is_told(tmp_path: Path) -> None:
    code, said = run(tmp_path, "serve", "--host", "nowhere.invalid", FHIRPLAN_DATA_DIR=str(tmp_path))
    assert code == 2
    assert "Cannot listen on nowhere.invalid" in said


def test_a_dry_run_that_could_not_look_ends_with_1(tmp_path: Path) -> None:
    settings = {"FHIRPLAN_DATA_DIR": str(tmp_path), "FHIRPLAN_EHR_URL": NOBODY}
    assert run(tmp_path, "migrate", **settings)[0] == 0
    code, said = run(tmp_path, "sync", "--dry-run", **settings)
    assert code == 1
    assert "connection refused" in said


def test_a_recording_goes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    settings = {"FHIRPLAN_DATA_DIR": str(tmp_path), "FHIRPLAN_EHR_URL": NOBODY}
    assert run(tmp_path, "migrate", **settings)[0] == 0
    code, said = run(tmp_path, "sync", "--once", "--record", "nowhere/bug.tape", **settings)
    assert code == 2
    assert "There is no folder nowhere" in said


def test_a_probe_promises_no_second_try(tmp_path: Path) -> None:
    code, said = run(tmp_path, "ehr", "probe", NOBODY)
    assert code == 2
    assert "connection refused" in said
    assert "again" not in said


def test_ndjson_is_loaded_all_or_none(tmp_path: Path) -> None:
    settings = {"FHIRPLAN_DATA_DIR": str(tmp_path / "data")}
    assert run(tmp_path, "migrate", **settings)[0] == 0
    lines = [json.dumps({**NURSE, "id": f"n{number}"}) for number in range(3)]
    (tmp_path / "nurses.ndjson").write_text("\r\n".join(lines) + "\r\n")
    code, said = run(tmp_path, "load", "--format", "json", str(tmp_path), **settings)
    assert code == 0, said
    assert json.loads(said)[0]["entries"] == 3
    (tmp_path / "nurses.ndjson").write_text("\n".join([*lines, "{"]))
    assert run(tmp_path, "load", "nurses.ndjson", **settings)[0] == 1
    assert run(tmp_path, "load", str(tmp_path / "data"), **settings)[0] == 2


@pytest.mark.parametrize("option", [("--anchor", "x=y"), ("--practitioner", "12")])
def test_what_a_template_refuses_is_told_without_fhirs_paths(option: tuple[str, str], tmp_path: Path) -> None:
    settings = {"FHIRPLAN_DATA_DIR": str(tmp_path / "data")}
    assert run(tmp_path, "migrate", **settings)[0] == 0
    (tmp_path / "p1.json").write_text(json.dumps({"resourceType": "Patient", "id": "p1"}))
    assert run(tmp_path, "load", "p1.json", **settings)[0] == 0
    code, said = run(tmp_path, "apply", "cm-diabetes", "--patient", "p1", *option, **settings)
    assert code == 1
    assert "http." not in said


def test_a_database_is_copied_once(tmp_path: Path) -> None:
    old = {"FHIRPLAN_DATA_DIR": str(tmp_path / "old")}
    new = {"FHIRPLAN_DATA_DIR": str(tmp_path / "new")}
    assert run(tmp_path, "migrate", **old)[0] == 0
    (tmp_path / "p1.json").write_text(json.dumps({"resourceType": "Patient", "id": "p1"}))
    assert run(tmp_path, "load", "p1.json", **old)[0] == 0
    source = f"sqlite:///{tmp_path}/old/fhirplan.db"
    code, said = run(tmp_path, "migrate", "--from", source, **new)
    assert (code, "  resource: 1\n" in said) == (0, True), said
    code, said = run(tmp_path, "migrate", "--from", source, **new)
    assert code == 2
    assert "holds something already" in said
    assert run(tmp_path, "migrate", "--from", "nonsense", **new)[0] == 2


def test_a_body_that_is_no_json_is_not_explained(tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text("this is no JSON")
    (tmp_path / "empty.json").touch()
    assert run(tmp_path, "migrate")[0] == 0
    code, said = run(tmp_path, "access", "explain", "--body", "body.txt", "POST", "/fhir")
    assert code != 0
    assert "This is not JSON" in said
    code, said = run(tmp_path, "access", "explain", "--body", "empty.json", "POST", "/fhir")
    assert code == 2
    assert "The file is empty" in said
