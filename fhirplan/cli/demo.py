"""``fhirplan demo``: a sandbox EHR with sample patients, the server, its worker and a first sync, on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from fhirplan import assembly, settings, telemetry
from fhirplan.cli import demo_change
from fhirplan.cli.children import require_free, running
from fhirplan.cli.serve import prepare
from fhirplan.cli.sync import opened, show, watched
from fhirplan.errors import FhirplanError
from fhirplan.projection.project import project_due
from fhirplan.sandbox import sample_app
from fhirplan.settings import DEFAULT_CONNECTION, PREFIX, Settings
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync

MARK: Final = ".fhirplan-demo"
PATIENCE: Final = 60.0
APP: Final = "fhirplan"
"""What the EHR calls our pages, which it opens from a chart."""
# What goes wrong with --faults: shares of the requests, drawn by the seed.
FAULTS: Final = (
    "throttle=0.03,unavailable=0.05,lost-request=0.03,lost-reply=0.08,reset=0.03,duplicates=0.08,html=0.03,stale=0.03"
)
SEED: Final = "7"
FIRST_SYNCS: Final = 8
PAUSE: Final = 2.0


@click.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port of the server.")
@click.option("--ehr-port", default=8081, show_default=True, type=click.IntRange(1, 65535), help="Port of the EHR.")
@click.option(
    "--as",
    "persona",
    type=click.Choice(["open", "epic", "oracle", "athena", "meditech"]),
    default="open",
    show_default=True,
    help="Whose EHR the sandbox plays.",
)
@click.option("--faults", is_flag=True, help="Let the EHR fail now and then: lost replies, throttling, broken pages.")
@click.option("--once", is_flag=True, help="Change both sides, sync until they agree, report, and stop.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder to work in; emptied at start.")
def command(port: int, ehr_port: int, persona: str, faults: bool, once: bool, data: Path | None) -> None:
    """Start everything with sample data: EHR, server, worker, first sync. Nothing leaves this machine.

    With --once it exits with 0 when both sides agree at the end, else with 1.
    """
    console = Console(highlight=False)
    agreed = True
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupted)
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(data))
        environ = _environ(folder, port, ehr_port)
        chosen = settings.load(environ)
        telemetry.configure("error", "text")
        if port == ehr_port:
            raise click.UsageError(f"The server and the EHR cannot both have port {port}. Choose another for one.")
        for number in (port, ehr_port):
            require_free(number)
        console.print("[bold]1[/bold] The EHR: a sandbox with twelve sample patients")
        if faults:
            console.print(f"  which fails now and then: {FAULTS}")
        ehr = _sandbox(port, ehr_port, persona, faults, folder)
        stack.enter_context(running(ehr, environ, folder / "ehr.log", f"{_ehr(ehr_port)}/metadata"))
        console.print("[bold]2[/bold] The first sync: everything it has comes here, checked on the way")
        prepare(Database.open(chosen.database))
        _register_sample(chosen, ehr_port)
        _first_sync(chosen)
        console.print("[bold]3[/bold] The server and its worker")
        serve = ["serve", "--port", str(port), "--with-worker"]
        server = stack.enter_context(running(serve, environ, folder / "server.log", f"{_us(port)}/readyz"))
        if once:
            agreed = _once(chosen, console, _us(port), _ehr(ehr_port), persona)
            if faults:
                console.print(f"  Faults that befell us: {demo_change.befallen(_ehr(ehr_port))}")
        else:
            _say_what_to_open(console, port, ehr_port, folder)
            _wait(server, folder)
            console.print("Stopped.")
    raise click.exceptions.Exit(0 if agreed else 1)


def _register_sample(chosen: Settings, ehr_port: int) -> None:
    """Registers the sample app, so that charts have an app to open."""
    place = f"http://localhost:{ehr_port}"
    made = Client(
        sample_app.CLIENT,
        DEFAULT_CONNECTION,
        "Sample app",
        "public",
        sample_app.SCOPES,
        redirect_uris=(place + sample_app.BACK,),
        launch_uris=(place + sample_app.LAUNCH,),
        created=assembly.now(),
    )
    with Database.open(chosen.database).write() as tx:
        clients.add(tx, made)


def _sandbox(port: int, ehr_port: int, persona: str, faults: bool, folder: Path) -> list[str]:
    """The command of an EHR that has the sample patients, knows our pages, and brings the sample app."""
    played = ["sandbox", "--port", str(ehr_port), "--as", persona, "--data", str(folder / "ehr.db")]
    loaded = ["--load", str(settings.fixtures_folder() / "bundles")]
    known = ["--app", f"{APP}={_us(port)}/auth/callback,{_us(port)}/auth/launch"]
    beside = ["--sample-app", f"{_us(port)}/fhir"]
    return [*played, *loaded, *known, *beside, *(["--faults", FAULTS, "--seed", SEED] if faults else [])]


def _project(chosen: Settings) -> None:
    """Computes the coordination state of the patients that came, as the worker does from here on."""
    services = assembly.build(chosen)
    to = assembly.build_projection(chosen, services, chosen.default_connection)
    while project_due(to):
        pass
    services.database.close()


def _first_sync(chosen: Settings) -> None:
    """Syncs until an EHR that fails now and then has given everything, a few times at most."""
    with opened(chosen, DEFAULT_CONNECTION) as sides:
        for _ in range(FIRST_SYNCS):
            report = watched(lambda progress: run_sync(sides, progress=progress))
            show(report)
            if not report.problems:
                break
            time.sleep(PAUSE)
        _project(chosen)
        for _ in range(FIRST_SYNCS):
            if not run_sync(sides).problems:
                break
            time.sleep(PAUSE)


def _interrupted(*_: object) -> None:
    """Ends the demo by way of its ``finally`` blocks, so that no process of it is left behind."""
    raise KeyboardInterrupt


def _once(chosen: Settings, console: Console, us: str, ehr: str, persona: str) -> bool:
    """A change on each side, and the proof over HTTP that both have both."""
    console.print("[bold]4[/bold] A change on each side, and nobody starts a sync by hand")
    make = demo_change.make if persona == "open" else demo_change.make_where_writes_are_refused
    changes = make(us, ehr)
    for change in changes:
        console.print(f"  {change.words}")
    began = time.monotonic()
    with opened(chosen, DEFAULT_CONNECTION) as sides:
        result = demo_change.wait(sides, us, changes, patience=PATIENCE)
    console.print(
        f"[bold]5[/bold] {result.compared} resources read over HTTP from both sides and compared; "
        f"{time.monotonic() - began:.1f} s after the changes"
    )
    for problem in result.problems:
        console.print(f"  {problem}")
    for line in demo_change.receipts(us):
        console.print(f"  receipt: {line}")
    if not result.problems:
        console.print("Both sides agree.")
    return not result.problems


def _say_what_to_open(console: Console, port: int, ehr_port: int, folder: Path) -> None:
    console.print(
        f"""
Open:
  {_us(port)}/chart/patients      the patients and their care plans
  {_launcher(ehr_port)}            the EHR: sign in, pick a patient, and it opens the care plan in the chart
  {_us(port)}/fhir/metadata       what the FHIR API offers
  {_ehr(ehr_port)}/Task           the same tasks in the EHR

In a chart, "More", "Open with…" opens a sample app, which says what it was let read.

Everybody on this machine can read and change everything here: use invented patients only.
Logs: {folder}/server.log and ehr.log. Stop with Ctrl-C.
""",
        soft_wrap=True,
    )


def _wait(server: subprocess.Popen[bytes], folder: Path) -> None:
    try:
        server.wait()
    except KeyboardInterrupt:
        return
    raise FhirplanError(f"The server stopped by itself; {folder / 'server.log'} says why.")


def _us(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _ehr(port: int) -> str:
    return f"http://127.0.0.1:{port}/fhir"


def _launcher(port: int) -> str:
    """By another name of this machine than ours, so that each is a stranger to the other, as at a clinic."""
    return f"http://localhost:{port}/launcher"


def _environ(folder: Path, port: int, ehr_port: int) -> Mapping[str, str]:
    """The environment of the demo's processes: nobody's own fhirplan settings are mixed into it."""
    config = folder / "fhirplan.toml"
    config.write_text(
        f'data_dir = "{folder / "data"}"\nbase_url = "{_us(port)}"\nauth = "open"\nehr_url = "{_ehr(ehr_port)}"\n'
        f'launch_client_id = "{APP}"\n'
        f'launch_issuers = ["{_ehr(ehr_port)}", "http://localhost:{ehr_port}/fhir"]\n'
        'ehr_label = "Sandbox EHR"\ntime_zone = "America/Chicago"\n'
        'pull_interval = 2.0\npush_interval = 0.5\nlog_format = "text"\n',
        encoding="utf-8",
    )
    (folder / "data").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, f"{PREFIX}CONFIG": str(config), "PYTHONUNBUFFERED": "1"}


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """An empty folder: the one that was named (emptied when an earlier demo made it), else a temporary one."""
    if chosen is None:
        with tempfile.TemporaryDirectory(prefix="fhirplan-demo-") as made:
            yield Path(made)
        return
    if chosen.is_dir() and any(chosen.iterdir()):
        if not (chosen / MARK).exists():
            raise click.UsageError(f"{chosen} is not empty and no earlier demo made it. Name another folder.")
        shutil.rmtree(chosen)
    chosen.mkdir(parents=True, exist_ok=True)
    (chosen / MARK).touch()
    yield chosen.absolute()
