"""The exit code of a command reaches the shell that started it, which no test within one process shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from fhirplan.cli.main import main; main()"]
NURSE = {"resourceType": "Practitioner", "name": [{"family": "Sample"}]}


def run(folder: Path, *arguments: str, **environ: str) -> int:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIRPLAN_")}
    done = subprocess.run([*PROGRAM, *arguments], cwd=folder, env={**kept, **environ}, capture_output=True, timeout=110)
    return done.returncode


@pytest.mark.parametrize(("resource", "code"), [(NURSE, 0), ({**NURSE, "gender": "nope"}, 1)])
def test_validate_says_by_its_exit_code_whether_all_is_valid(resource: object, code: int, tmp_path: Path) -> None:
    (tmp_path / "nurse.json").write_text(json.dumps(resource), encoding="utf-8")
    assert run(tmp_path, "validate", "nurse.json") == code


def test_a_wrong_option_ends_with_2(tmp_path: Path) -> None:
    assert run(tmp_path, "validate", "--nope") == 2


def test_help_ends_with_0(tmp_path: Path) -> None:
    assert run(tmp_path, "--help") == 0


def test_a_sync_with_an_ehr_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    settings = {"FHIRPLAN_DATA_DIR": str(tmp_path), "FHIRPLAN_EHR_URL": "http://127.0.0.1:9/fhir"}
    assert run(tmp_path, "migrate", **settings) == 0
    assert run(tmp_path, "sync", "--once", **settings) == 1
