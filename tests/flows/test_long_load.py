"""A worker that answers all kinds of requests for minutes needs no more memory at the end than soon after the start."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_is_flat_under_a_long_load():
    if shutil.which("wrk") is None:
        pytest.skip("wrk, which makes the load, is not installed")
    done = subprocess.run(
        [sys.executable, str(BENCH / "memory.py"), "--minutes", "6"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MiB of the largest worker" in done.stdout
