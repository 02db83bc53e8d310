"""``fhirplan reindex``: makes the search indexes anew while everything else goes on."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from fhirplan import settings
from fhirplan.interactions.services import fhir_base
from fhirplan.store import reindex
from fhirplan.store.engine import Database


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also what is up to date.")
def command(everything: bool) -> None:
    """Make the search indexes that are missing or outdated; safe to stop and to start again."""
    chosen = settings.load()
    database = Database.open(chosen.database)
    done = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for connection in chosen.all_connections:
            shown = progress.add_task(f"Indexing {connection.name}", total=None)

            def tell(number: int, total: int, shown: TaskID = shown) -> None:
                progress.update(shown, completed=number, total=total)

            done += reindex.reindex(
                database,
                connection.name,
                progress=tell,
                everything=everything,
                base=fhir_base(chosen, connection.name),
            )
    database.close()
    click.echo(f"Indexed {done} resources." if done else "The indexes are up to date.")
