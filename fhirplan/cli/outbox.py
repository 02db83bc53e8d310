"""``fhirplan outbox``: what waits to be sent to the EHR, and why."""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.table import Table

from fhirplan import settings, telemetry
from fhirplan.errors import NotFound, Refused
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.dates import instant
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.store.engine import Database
from fhirplan.store.sync import circuits, outbox
from fhirplan.store.sync.outbox import Entry
from fhirplan.sync.breaker import told

_connection = click.option("--connection", default=DEFAULT_CONNECTION, show_default=True, help="Which EHR.")


@click.group()
def command() -> None:
    """Changes that the EHR does not have yet."""


@command.command("list")
@_connection
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def listed(connection: str, form: str) -> None:
    """List what waits, is held by a conflict, or was refused, in the EHR's own words; and whether it is called now."""
    with _database().read() as tx:
        found = outbox.listed(tx, connection)
        circuit = circuits.of(tx, connection)
    if form == "json":
        click.echo(codec.pretty([_plain(item) for item in found]))
        return
    if circuit is not None:
        click.echo(told(circuit, time.time_ns() // 1_000_000))
    table = Table("No", "Resource", "Version", "State", "Tries", "Due", "Why")
    for item in found:
        name, due = f"{item.type}/{item.id}", instant(item.due) if item.state == "waiting" else ""
        table.add_row(str(item.oid), name, str(item.version), item.state, str(item.attempts), due, _why(item))
    if found:
        Console().print(table)
    count = "1 change is" if len(found) == 1 else f"{len(found)} changes are"
    click.echo(f"{count} not with the EHR." if found else "Nothing waits.")


@command.command()
@click.argument("number", type=int)
@_connection
def retry(number: int, connection: str) -> None:
    """Send a waiting or parked change at the next push."""
    _change(connection, number, retry=True)
    click.echo(f"Change {number} is sent at the next push.")


@command.command()
@click.argument("number", type=int)
@_connection
def park(number: int, connection: str) -> None:
    """Put a waiting or held change aside; it is kept here and not sent."""
    _change(connection, number, retry=False)
    click.echo(f"Change {number} is parked.")


def _change(connection: str, number: int, *, retry: bool) -> None:
    with _database().write() as tx:
        found = outbox.get(tx, connection, number)
        if found is None:
            raise NotFound(f"There is no change {number} in the outbox. See: fhirplan outbox list")
        now = time.time_ns() // 1_000_000
        done = outbox.retry(tx, number, now) if retry else outbox.park(tx, number)
        if not done:
            raise Refused(f"Change {number} is {found.state}, so that cannot be done with it.")


def _database() -> Database:
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    return Database.open(chosen.database)


def _why(item: Entry) -> str:
    return " ".join(issue.text for issue in outcome.issues(codec.loads(item.outcome))) if item.outcome else ""


def _plain(item: Entry) -> dict[str, object]:
    return {
        "number": item.oid,
        "type": item.type,
        "id": item.id,
        "version": item.version,
        "method": item.method,
        "state": item.state,
        "attempts": item.attempts,
        "due": instant(item.due),
        "why": _why(item),
    }
