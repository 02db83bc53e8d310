"""What tests of several rooms share: a migrated database to copy, and packages of npm, installed once and kept."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as property_settings

from fhirplan.store.engine import Database

# How long an example takes says how busy the machine is, not whether the law holds.
BUSY = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
property_settings.register_profile("fhirplan", deadline=None, suppress_health_check=BUSY)
property_settings.load_profile("fhirplan")
QUIET = [
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--prefer-offline",
    "--fetch-retries=0",
    "--fetch-timeout=10000",
]
LEFT_OUT = ["--omit=dev", "--omit=optional", "--omit=peer"]


@pytest.fixture(scope="session")
def from_npm(pytestconfig):
    """Gives the folder in which a package is installed; skips where it cannot be."""

    def installed(package):
        npm = shutil.which("npm")
        if not npm or not shutil.which("node"):
            pytest.skip("node and npm are not installed")
        folder = Path(pytestconfig.cache.mkdir(f"npm-{package.replace('@', '-')}"))
        done = folder / "installed"
        if not done.exists():
            command = [npm, "install", *QUIET, *LEFT_OUT, "--prefix", str(folder), package]
            try:
                ended = subprocess.run(command, capture_output=True, timeout=240)
            except subprocess.TimeoutExpired:
                pytest.skip(f"npm did not install {package} within four minutes")
            if ended.returncode:
                pytest.skip(f"npm cannot install {package} here")
            done.touch()
        return folder

    return installed


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A migrated SQLite file to copy, since a migration takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "fhirplan.db"
    made = Database.open(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path
