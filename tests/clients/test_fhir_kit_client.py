"""fhir-kit-client, a generic FHIR client for Node, walks create, read, update, patch, search, paging and delete."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WALK = Path(__file__).with_name("walk.mjs")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder in which the package is installed."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=10000"]
    try:
        done = subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), "fhir-kit-client"], capture_output=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install fhir-kit-client within a minute")
    if done.returncode:
        pytest.skip("npm cannot install fhir-kit-client here")
    return folder


def test_it_walks_the_whole_way(package, base):
    script = shutil.copy(WALK, package)
    done = subprocess.run(["node", script, base], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["created"], seen["updated"], seen["patched"], seen["gone"]) == ("1", "2", True, 410)
    assert sorted(seen["found"]) == ["0", "1", "2", "3", "4"]
