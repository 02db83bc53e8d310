"""wsgi.py: what whoever starts gunicorn by hand is told."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_settings_that_are_wrong_are_named_and_no_traceback_is_shown(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        cwd=ROOT,
        env={**os.environ, "FHIRPLAN_DATA_DIR": str(tmp_path), "FHIRPLAN_AUTH": "maybe"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "auth" in told.stderr
    assert "smart" in told.stderr
    assert "Traceback" not in told.stderr
