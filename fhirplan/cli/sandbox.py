"""The command ``fhirplan sandbox``: plays an EHR to test against."""

from __future__ import annotations

import errno
import signal
import sqlite3
import threading
from pathlib import Path

import click

from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.loading import load_folder
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server


@click.command("sandbox", help="Plays an open FHIR R4 EHR in a process of its own, to test against.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0 takes a free one.")
@click.option(
    "--load",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of transaction Bundles to start with; may be given several times.",
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps the data; without it they are gone when the sandbox stops.",
)
def command(host: str, port: int, folders: tuple[Path, ...], data: Path | None) -> None:
    """Serves until SIGTERM or Ctrl-C, then ends the requests under way and leaves with 0."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store = _store(data)
    server = _server(host, port, store)
    try:
        _load(store, folders)
        server.start()
        _tell(server, store)
        stopping.wait()
        server.stop()
    finally:
        store.close()


def _store(data: Path | None) -> Store:
    try:
        return Store(data)
    except sqlite3.Error as error:
        raise click.ClickException(f"The data file {data} cannot be used: {error}.") from None


def _server(host: str, port: int, store: Store) -> Server:
    try:
        return Server(host, port, create_app(store))
    except OSError as error:
        store.close()
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"Port {port} on {host} is taken by another program. Stop that one, or choose another with --port."
            ) from None
        raise click.ClickException(f"Cannot listen on {host} port {port}: {error.strerror}.") from None


def _load(store: Store, folders: tuple[Path, ...]) -> None:
    if folders and store.counts():
        click.echo("The data file holds resources already, so --load brought in nothing.")
        return
    for folder in folders:
        loaded = load_folder(store, folder)
        click.echo(f"Loaded {loaded.bundles} Bundles with {loaded.entries} entries from {folder}.")
        if loaded.skipped:
            click.echo(f"Skipped, being no transaction Bundles: {', '.join(loaded.skipped)}.")


def _tell(server: Server, store: Store) -> None:
    counts = store.counts()
    if counts:
        listed = ", ".join(f"{number} {type_}" for type_, number in counts.items())
        click.echo(f"It holds {sum(counts.values())} resources: {listed}.")
    click.echo(f"Sandbox EHR at {server.url}/fhir (stop with Ctrl-C)")
