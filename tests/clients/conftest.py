"""A real server on a free port of this machine, for clients that know nothing of it but its FHIR base."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.ports import own_port


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    port = own_port()
    environment = {
        **os.environ,
        "FHIRPLAN_DATA_DIR": str(folder),
        "FHIRPLAN_AUTH": "open",
        "FHIRPLAN_VALIDATION": "base",
        "FHIRPLAN_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-c", "from fhirplan.cli.main import main; main()"]
    process = subprocess.Popen([*command, "serve", "--port", str(port), "--workers", "1"], env=environment, cwd=folder)
    try:
        until = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server did not start within a minute"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        process.terminate()
        process.wait(timeout=20)
