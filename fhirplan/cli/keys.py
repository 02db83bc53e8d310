"""``fhirplan keys``: the keys that seal secrets in the database and sign our tokens."""

from __future__ import annotations

import click
from cryptography.fernet import Fernet

from fhirplan import settings
from fhirplan.settings import Settings
from fhirplan.store.access import sessions, tickets
from fhirplan.store.access.sealing import Sealer, sealer
from fhirplan.store.access.signing import signing_keys
from fhirplan.store.engine import Database


@click.group()
def command() -> None:
    """Keys that seal secrets in the database and sign our tokens."""


@command.command()
def new() -> None:
    """Print a new key for the setting encryption_key."""
    click.echo(Fernet.generate_key().decode())


@command.command()
@click.option("--only", type=click.Choice(["encryption", "signing"]), help="Only the one or the other; else both.")
def rotate(only: str | None) -> None:
    """Make new keys and put what is sealed under the new one. Servers that run go on; none need be restarted.

    The key before is kept until the next rotation, for what was being written meanwhile: after a leak, rotate twice.
    Tokens signed by the last two keys stay good. Where encryption_key is set, put the new key before the old one in
    the setting first, restart, and run this; then take the old one away.
    """
    chosen = settings.load()
    if only != "signing":
        _rotate_encryption(chosen)
    if only != "encryption":
        made = signing_keys(chosen).rotate()
        click.echo(f"New signing keys: {', '.join(made)}. Servers that run use them from now on.")


def _rotate_encryption(chosen: Settings) -> None:
    seals: Sealer = sealer(chosen)
    if not seals.from_setting:
        seals.renew()
    with Database.open(chosen.database).write() as tx:
        number = tickets.reseal(tx, seals) + sessions.reseal(tx, seals)
    click.echo(f"{number} secrets are sealed under the newest key.")
