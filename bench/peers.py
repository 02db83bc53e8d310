"""Starts comparable Python servers from PyPI, in an environment of their own that is made when first needed.

fhirstarter 4.2 is a library; ``peers_fhirstarter.py`` gives it a small SQLite behind. It has no transactions.
sekmet-fhir 0.1 is a server of its own; it knows neither goals nor teams as includes, so the tasks of the plan stand in
for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import people
import servers
from servers import Server

HERE = Path(__file__).resolve().parent
PACKAGES = {"fhirstarter": ("fhirstarter==4.2.0", "uvicorn"), "sekmet": ("sekmet-fhir==0.1.1",)}
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fhirplan-bench"


def cannot(name: str) -> tuple[str, ...]:
    """The operations that a server does not have."""
    return ("transaction",) if name == "fhirstarter" else ()


def includes(name: str) -> tuple[str, ...]:
    """What is asked for besides a plan, where it differs from what we are asked for."""
    return ("_revinclude=Task:based-on",) if name == "sekmet" else ("_count=20",) if name == "fhirstarter" else ()


def started(stack: contextlib.ExitStack, folder: Path, count: int) -> list[Server]:
    """The peers that can be run here, filled with so many resources; says why where one cannot."""
    running: list[Server] = []
    for name, start in (("fhirstarter", _fhirstarter), ("sekmet", _sekmet)):
        try:
            python = _environment(name)
            running.append(stack.enter_context(start(python, folder, count)))
        except (subprocess.CalledProcessError, OSError, SystemExit) as error:
            print(f"{name} is left out: {error}")
    return running


def _environment(name: str) -> Path:
    """The Python of an environment that has the packages of a peer; raises CalledProcessError."""
    home = CACHE / name
    done = home / "installed"
    if not done.exists():
        print(f"installing {', '.join(PACKAGES[name])} into {home}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]]
        subprocess.run(pip, check=True)
        done.touch()
    return home / "bin" / "python"


def _resources(folder: Path, count: int) -> Path:
    """The same resources that we have, one a line."""
    path = folder / "people.ndjson"
    if not path.exists():
        with path.open("w") as file:
            for item in people.resources(count // people.PER_PATIENT):
                file.write(json.dumps(item) + "\n")
    return path


@contextlib.contextmanager
def _fhirstarter(python: Path, folder: Path, count: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
    database, port = folder / "fhirstarter.db", servers.free_port()
    environment = {"FHIR_SEQUENCE": "R4B", "PEER_DATABASE": str(database), "PYTHONPATH": str(HERE)}
    fill = [str(python), str(HERE / "peers_fhirstarter.py"), str(_resources(folder, count))]
    subprocess.run(fill, check=True, env={**os.environ, **environment})
    command = [
        *(str(python), "-m", "uvicorn", "peers_fhirstarter:app", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(servers.WORKERS), "--log-level", "warning", "--no-access-log"),
    ]
    url = f"http://127.0.0.1:{port}"
    with servers.running(command, environment, url, "/CarePlan/p1-plan") as pid:
        yield Server("fhirstarter", url, pid)


@contextlib.contextmanager
def _sekmet(python: Path, folder: Path, count: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    config = folder / "sekmet.yaml"
    settings = {
        "base_url": f"{url}/fhir",
        "db_path": str(folder / "sekmet.db"),
        "data_dir": str(folder),
        "simulator": {"enabled": False},
        "log_inbound": False,
    }
    # JSON is YAML.
    config.write_text(json.dumps(settings))
    environment = {"SEKMET_CONFIG": str(config), "PYTHONPATH": str(HERE)}
    fill = [str(python), str(HERE / "peers_sekmet.py"), str(folder / "sekmet.db"), str(_resources(folder, count))]
    subprocess.run(fill, check=True, env={**os.environ, **environment}, cwd=folder)
    command = [
        *(str(python), "-m", "uvicorn", "sekmet.main:app_factory", "--factory", "--host", "127.0.0.1"),
        *("--port", str(port), "--log-level", "warning", "--no-access-log"),
    ]
    with servers.running(command, environment, url, "/fhir/CarePlan/p1-plan") as pid:
        yield Server("sekmet", url, pid, "/fhir")
