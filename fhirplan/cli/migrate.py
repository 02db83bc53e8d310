"""``fhirplan migrate``: brings the database to the schema that this program knows."""

from __future__ import annotations

import click

from fhirplan import settings
from fhirplan.store.engine import Database


@click.command()
def command() -> None:
    """Make the database, or bring it to the current schema; safe to repeat."""
    chosen = settings.load()
    database = Database.open(chosen.database)
    before = database.revision()
    database.migrate()
    after = database.revision()
    if before == after:
        click.echo(f"The database has revision {after} already.")
    else:
        click.echo(f"The database went from {f'revision {before}' if before else 'nothing'} to revision {after}.")
