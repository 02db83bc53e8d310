"""``fhirplan migrate``: brings the database to the schema that this program knows, and fills it from another one."""

from __future__ import annotations

import click

from fhirplan import settings
from fhirplan.errors import Misconfigured
from fhirplan.store.engine import Database


@click.command()
@click.option(
    "--from",
    "source",
    metavar="URL",
    help="Copy everything from this database, such as sqlite:////var/lib/fhirplan/fhirplan.db, into the new one.",
)
def command(source: str | None) -> None:
    """Make the database, or bring it to the current schema; safe to repeat.

    With --from the database of the settings must be empty. Stop server and workers first.
    """
    chosen = settings.load()
    database = Database.open(chosen.database)
    before = database.revision()
    database.migrate()
    after = database.revision()
    if before == after:
        click.echo(f"The database has revision {after} already.")
    else:
        click.echo(f"The database went from {f'revision {before}' if before else 'nothing'} to revision {after}.")
    if source:
        _fill(database, source)


def _fill(database: Database, source: str) -> None:
    from sqlalchemy.exc import DBAPIError

    from fhirplan.store.copying import copy

    Database.open(source)  # refuses a url that is none
    total = 0
    try:
        for table, rows in copy(source, database.url):
            total += rows
            if rows:
                click.echo(f"  {table}: {rows}")
    except DBAPIError as error:
        # The driver's text may quote a row.
        raise Misconfigured(
            f"The copy broke off ({type(error.orig).__name__}), and nothing was copied. Stop server and workers, see "
            "that there is room, and try again."
        ) from None
    database.analyze()
    click.echo(f"{total} rows were copied. The database that they came from is as it was.")
