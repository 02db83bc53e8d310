"""The house: a wheel holds the code, the profiles, the fixtures and whatever the pages need."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_of_packages_is_complete():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split()) - {"fhirplan.profiles", "fhirplan.fixtures"}
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "fhirplan").rglob("*.py")
        if path.parts[-2] != "__pycache__"
    }
    assert listed == found


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)
    wheel = next(folder.glob("*.whl"))
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("folder", ["profiles", "fixtures"])
def test_profiles_and_fixtures_are_inside(names, folder):
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.json")}
    assert {f"fhirplan/{name}" for name in shipped} <= names


def test_every_data_file_of_the_package_is_inside(names):
    endings = {".json", ".html", ".css", ".js", ".svg", ".mako"}
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "fhirplan").rglob("*") if path.suffix in endings}
    assert data <= names
    assert "fhirplan/py.typed" in names
