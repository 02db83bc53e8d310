"""``fhirplan serve``: gunicorn over the application, with the worker beside it when asked."""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import click
from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from fhirplan import assembly, settings, telemetry
from fhirplan.errors import Misconfigured
from fhirplan.settings import LOOPBACK_HOSTS, PREFIX, Settings
from fhirplan.store.engine import Database
from fhirplan.store.schema import HEAD
from fhirplan.web.app import create_app

_WORKER: Final = (sys.executable, "-c", "from fhirplan.cli.main import main; main()", "worker")
_DIES_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1, 64), help="Threads of each of them.")
@click.option("--with-worker", is_flag=True, help="Also run the worker that pulls from and pushes to the EHR.")
def command(host: str, port: int, workers: int, threads: int, with_worker: bool) -> None:
    """Serve the FHIR API and the chart pages until stopped."""
    chosen = reachable_at(settings.load(), host, port)
    telemetry.configure(chosen.log_level, chosen.log_format)
    require_loopback_when_open(chosen, host)
    require_free(host, port)
    prepare(Database.open(chosen.database))
    click.echo(banner(chosen, host, port), err=True)
    beside = _Beside(chosen) if with_worker else None
    _Gunicorn(
        lambda: application(chosen),
        {
            "bind": _address(host, port),
            "workers": workers,
            "worker_class": "fhirplan.cli.workers.ServingWorker",
            "threads": threads,
            "preload_app": True,
            "timeout": 60,
            "graceful_timeout": 30,
            "keepalive": 5,
            # Its warnings quote request lines, which may name patients.
            "loglevel": "error",
            "proc_name": "fhirplan",
            "limit_request_line": 8190,
            "control_socket_disable": True,
            "when_ready": lambda _server: beside.start() if beside else None,
            "on_exit": lambda _server: beside.stop() if beside else None,
        },
    ).run()


def application(chosen: Settings) -> Flask:
    """The application as each worker serves it, built before they fork."""
    services = assembly.build(chosen)
    made = create_app(services)
    assembly.settle(services)
    return made


def reachable_at(chosen: Settings, host: str, port: int) -> Settings:
    """The settings with the address that is served as ``base_url``, where none was chosen."""
    if chosen.base_url != Settings().base_url:
        return chosen
    return dataclasses.replace(chosen, base_url=f"http://{_address(host, port)}")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_loopback_when_open(chosen: Settings, host: str) -> None:
    """Raises Misconfigured when everybody would be let in from another machine."""
    if chosen.auth == "open" and host not in LOOPBACK_HOSTS:
        raise Misconfigured(
            f"auth is open, which lets everybody read every patient, so it is not served on {host}. "
            "Use --host 127.0.0.1, or FHIRPLAN_AUTH=smart."
        )


def require_free(host: str, port: int) -> None:
    """Raises Misconfigured when this machine cannot listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Misconfigured(
                f"Port {port} on {host} is taken by another program. Stop that one, or choose another with --port."
            ) from None
        raise Misconfigured(f"Cannot listen on {host} port {port}: {error.strerror}.") from None


def prepare(database: Database) -> None:
    """Makes the tables of a new database; raises Misconfigured for one that an older fhirplan made."""
    revision = database.revision()
    if not revision:
        database.migrate()
    elif revision != HEAD:
        raise Misconfigured(
            f"The database has the schema of revision {revision} and this program needs {HEAD}. Make a backup, then "
            "run: fhirplan migrate"
        )


def banner(chosen: Settings, host: str, port: int) -> str:
    """What is served where, and that an open server is one."""
    lines = [f"fhirplan serves http://{_address(host, port)}/fhir (database {_shown(chosen.database)})"]
    if chosen.auth == "open":
        lines.append("auth is open: everybody on this machine may read and change everything. For development only.")
    else:
        lines.append("auth is smart: callers need a token, which /auth gives; people come from their EHR.")
    return "\n".join(lines)


def _shown(url: str) -> str:
    """A database url without the password it may hold."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


class _Beside:
    """The worker as a child process, ended with the server even when the server is killed."""

    def __init__(self, chosen: Settings) -> None:
        self._environment = {**os.environ, f"{PREFIX}BASE_URL": chosen.base_url}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._child = subprocess.Popen(_WORKER, env=self._environment, preexec_fn=_die_with_parent)  # noqa: S603 - our own program

    def stop(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGTERM)


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn with options from the command line instead of a configuration file."""

    def __init__(self, make: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make = make
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make()
