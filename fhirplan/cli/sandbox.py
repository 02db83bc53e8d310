"""The command ``fhirplan sandbox``: plays an EHR to test against."""

from __future__ import annotations

import errno
import secrets
import signal
import sqlite3
import threading
from pathlib import Path

import click
from flask import Flask

from fhirplan.errors import MalformedRequest
from fhirplan.sandbox import faults as script
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.authorize import LIFETIME, Gate
from fhirplan.sandbox.desk import App, Desk
from fhirplan.sandbox.faults import Faults
from fhirplan.sandbox.loading import load_folder
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server


@click.command("sandbox", help="Plays a FHIR R4 EHR in a process of its own, to test against.")
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
@click.option(
    "--as",
    "name",
    type=click.Choice(list(PERSONAS)),
    default="open",
    show_default=True,
    help="Whose EHR to play: what it offers, refuses and does its own way.",
)
@click.option("--require-auth", is_flag=True, help="Ask for an access token (SMART Backend Services).")
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="ID=JWKS",
    help="A client that may ask for tokens, and the file or address of its public keys; with --require-auth.",
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="ID=URL[,URL]",
    help="A public app that people may open and sign in to: where it is sent back to and, second, where it is opened.",
)
@click.option(
    "--sample-app",
    "opens_sample",
    default="",
    metavar="URL",
    help="Serve a small SMART app too, which charts of the FHIR server at this base open at /sample-app/launch.",
)
@click.option(
    "--token-lifetime",
    type=click.IntRange(1, LIFETIME),
    default=LIFETIME,
    show_default=True,
    help="Seconds that a token is good for.",
)
@click.option(
    "--faults",
    "spec",
    metavar="SPEC",
    help="What goes wrong: rates such as throttle=0.1,slow=0.05 (or all=0.02), a JSON script, or a file with one.",
)
@click.option("--seed", type=int, help="Seed of the faults' chance, to repeat a run; without it one is drawn and told.")
def command(
    host: str,
    port: int,
    folders: tuple[Path, ...],
    data: Path | None,
    name: str,
    require_auth: bool,
    clients: tuple[str, ...],
    apps: tuple[str, ...],
    opens_sample: str,
    token_lifetime: int,
    spec: str | None,
    seed: int | None,
) -> None:
    """Serves until SIGTERM or Ctrl-C, then ends the requests under way and leaves with 0."""
    persona = PERSONAS[name]
    gate = _gate(persona, clients, token_lifetime) if require_auth else None
    if clients and not gate:
        raise click.UsageError("--client is of use with --require-auth only.")
    faults = _faults(spec, seed)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store = _store(data)
    app = create_app(store, persona, gate, faults, _desk(apps, gate, token_lifetime), opens_sample)
    server = _server(host, port, store, app)
    try:
        _load(store, folders)
        server.start()
        _tell(store, persona)
        if spec is not None or seed is not None:
            click.echo(f"Faults are drawn with --seed {faults.seed}.")
        if gate:
            click.echo(f"Tokens are given at {server.url}{persona.tokens_at} for {token_lifetime} seconds each.")
        if apps:
            click.echo(f"Charts open apps at {server.url}/launcher.")
        click.echo(f"Sandbox EHR at {server.url}/fhir (stop with Ctrl-C)")
        stopping.wait()
        server.stop()
    finally:
        store.close()


def _store(data: Path | None) -> Store:
    try:
        return Store(data)
    except sqlite3.Error as error:
        raise click.ClickException(f"The data file {data} cannot be used: {error}.") from None


def _desk(apps: tuple[str, ...], gate: Gate | None, lifetime: int) -> Desk | None:
    known: dict[str, App] = {}
    for item in apps:
        client, _, addresses = item.partition("=")
        redirect, _, launch = addresses.partition(",")
        if not client or not redirect.startswith(("http://", "https://")):
            raise click.BadParameter(f"{item!r} is not ID=REDIRECT_URL[,LAUNCH_URL].", param_hint="--app")
        known[client] = App(client, (redirect,), launch)
    return Desk(known, lifetime=lifetime, gate=gate) if known else None


def _gate(persona: Persona, clients: tuple[str, ...], lifetime: int) -> Gate:
    known: dict[str, str] = {}
    for item in clients:
        client, _, keys = item.partition("=")
        if not client or not keys:
            raise click.BadParameter(f"{item!r} is not ID=JWKS_FILE_OR_URL.", param_hint="--client")
        if not keys.startswith(("http://", "https://")) and not Path(keys).is_file():
            raise click.BadParameter(f"There is no file {keys}.", param_hint="--client")
        known[client] = keys
    if not known:
        raise click.UsageError("--require-auth needs a client to let in: --client ID=JWKS_FILE_OR_URL.")
    return Gate(persona, known, lifetime=lifetime)


def _faults(spec: str | None, seed: int | None) -> Faults:
    drawn = secrets.randbelow(2**31) if seed is None else seed
    try:
        return Faults(script.read(spec) if spec else (), seed=drawn)
    except MalformedRequest as error:
        raise click.BadParameter(error.text, param_hint="--faults") from None
    except OSError as error:
        raise click.BadParameter(f"{spec} cannot be read: {error.strerror}.", param_hint="--faults") from None


def _server(host: str, port: int, store: Store, app: Flask) -> Server:
    try:
        return Server(host, port, app)
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


def _tell(store: Store, persona: Persona) -> None:
    counts = store.counts()
    if counts:
        listed = ", ".join(f"{number} {type_}" for type_, number in counts.items())
        click.echo(f"It holds {sum(counts.values())} resources: {listed}.")
    if not persona.whole:
        click.echo(f"It plays {persona.software}: other searches and writes than its own are refused.")
