"""fhir-kit-client, a generic FHIR client for Node, walks create, read, update, patch, search, paging and delete."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WALK = Path(__file__).with_name("walk.mjs")


@pytest.fixture(scope="module")
def package(from_npm):
    return from_npm("fhir-kit-client")


def test_it_walks_the_whole_way(package, base):
    script = shutil.copy(WALK, package)
    done = subprocess.run(["node", script, base], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["created"], seen["updated"], seen["patched"], seen["gone"]) == ("1", "2", True, 410)
    assert sorted(seen["found"]) == ["0", "1", "2", "3", "4"]
