"""``fhirplan clients``: which programs may ask for access to our FHIR API, and as what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fhirplan import assembly, settings, telemetry
from fhirplan.errors import Misconfigured, NotFound
from fhirplan.fhir import codec
from fhirplan.launch import registry
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.store.access import clients, grants
from fhirplan.store.access.clients import Client
from fhirplan.store.access.secrets import digest, new_secret
from fhirplan.store.engine import Database

_jwks_file = click.option(
    "--jwks-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its public keys (a JWK Set): it proves who it is by an assertion.",
)
_jwks_url = click.option("--jwks-url", metavar="URL", help="Where it publishes its public keys, for the same.")


@click.group()
def command() -> None:
    """Programs that may ask for access to our FHIR API."""


@command.command()
@click.argument("name")
@click.option("--scopes", required=True, help="The most it may get, such as 'system/CarePlan.rs system/Goal.rs'.")
@_jwks_file
@_jwks_url
@click.option("--public", is_flag=True, help="It cannot keep a secret: an app in a browser or on a phone.")
@click.option("--secret", is_flag=True, help="It proves who it is by a secret, which is made and shown once.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URL", help="Where people are sent back to.")
@click.option("--launch-uri", "launch_uris", multiple=True, metavar="URL", help="Where our chart opens it.")
@click.option("--connection", default=DEFAULT_CONNECTION, show_default=True, help="Whose FHIR base it may use.")
@click.option("--id", "client_id", help="Its client id; without it one is made up.")
def add(
    name: str,
    scopes: str,
    jwks_file: Path | None,
    jwks_url: str | None,
    public: bool,
    secret: bool,
    redirect_uris: tuple[str, ...],
    launch_uris: tuple[str, ...],
    connection: str,
    client_id: str | None,
) -> None:
    """Register a client and print the registration as JSON."""
    if sum(map(bool, (jwks_file, jwks_url, public, secret))) != 1:
        raise click.UsageError("Say how it proves who it is: one of --jwks-file, --jwks-url, --public, --secret.")
    chosen, database = _opened()
    made = new_secret() if secret else ""
    client = Client(
        client_id or assembly.new_id(),
        connection,
        name,
        "public" if public else "secret" if secret else "key",
        tuple(scopes.split()),
        secret_digest=digest(made) if made else "",
        jwks=_key_set(jwks_file) if jwks_file else "",
        jwks_url=jwks_url or "",
        redirect_uris=redirect_uris,
        launch_uris=launch_uris,
        created=assembly.now(),
    )
    problem = registry.wrong(client, chosen)
    if problem:
        raise click.UsageError(f"It cannot be registered: {problem}.")
    with database.write() as tx:
        if clients.get(tx, client.client_id) is not None:
            raise click.UsageError(f"A client {client.client_id} is registered already.")
        clients.add(tx, client)
    _tell(client, made)


@command.command("list")
def listed() -> None:
    """Print all registrations as a JSON list."""
    chosen, database = _opened()
    with database.read() as tx:
        found = clients.listed(tx)
    click.echo(codec.pretty([registry.shown(item) for item in (*registry.from_file(chosen), *found)]))


@command.command()
@click.argument("client_id")
@_jwks_file
@_jwks_url
def rotate(client_id: str, jwks_file: Path | None, jwks_url: str | None) -> None:
    """Give a client a new secret, or take its new keys; the old ones end at once."""
    chosen, database = _opened()
    with database.write() as tx:
        client = _known(clients.get(tx, client_id), client_id)
        made = ""
        if client.kind == "secret":
            made = new_secret()
            client = replace(client, secret_digest=digest(made))
        elif client.kind == "key" and bool(jwks_file) != bool(jwks_url):
            client = replace(client, jwks=_key_set(jwks_file) if jwks_file else "", jwks_url=jwks_url or "")
        else:
            raise click.UsageError("Give the client's new keys with --jwks-file or --jwks-url; a public one has none.")
        problem = registry.wrong(client, chosen)
        if problem:
            raise click.UsageError(f"It cannot be registered: {problem}.")
        clients.change(tx, client)
    _tell(client, made)


@command.command()
@click.argument("client_id")
@click.option("--again", is_flag=True, help="Let it in again; what was granted before stays ended.")
def disable(client_id: str, again: bool) -> None:
    """Let a client in no more, and end all that it was granted, tokens under way included."""
    _, database = _opened()
    with database.write() as tx:
        client = _known(clients.get(tx, client_id), client_id)
        clients.change(tx, replace(client, disabled=0 if again else assembly.now()))
        ended = grants.revoke_client(tx, client_id, assembly.now())
    click.echo(f"{client_id} is let in again." if again else f"{client_id} is disabled; {ended} grants have ended.")


def _opened() -> tuple[Settings, Database]:
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    database = Database.open(chosen.database)
    if not database.revision():
        database.migrate()
    return chosen, database


def _known(client: Client | None, client_id: str) -> Client:
    if client is None:
        raise NotFound(f"No client {client_id} is registered in the database. `fhirplan clients list` shows them.")
    return client


def _key_set(path: Path) -> str:
    try:
        return json.dumps(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        raise Misconfigured(f"{path} is no JWK Set: it is not JSON.") from None


def _tell(client: Client, secret: str) -> None:
    shown: dict[str, Any] = registry.shown(client)
    if secret:
        shown["client_secret"] = secret
        click.echo("The secret is shown this once and not kept here.", err=True)
    click.echo(codec.pretty(shown))
