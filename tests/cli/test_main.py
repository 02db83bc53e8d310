"""``fhirplan``: a command that ends with a code ends the program with it."""

import sys

import pytest

from fhirplan.cli.main import main


def test_the_program_ends_with_the_code_of_its_command(tmp_path, monkeypatch, capsys):
    wrong = tmp_path / "goal.json"
    wrong.write_text('{"resourceType": "Goal", "id": "g1"}')
    monkeypatch.setattr(sys, "argv", ["fhirplan", "validate", str(wrong)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "Goal" in capsys.readouterr().out
