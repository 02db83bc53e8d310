"""``fhirplan conflicts``: what was changed on both sides, and which copy is to count."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhirplan import settings, telemetry
from fhirplan.cli.sync import opened
from fhirplan.errors import NotFound
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.store import conflicts
from fhirplan.store.conflicts import Collision
from fhirplan.store.engine import Database
from fhirplan.sync.resolve import resolve

_connection = click.option("--connection", default=DEFAULT_CONNECTION, show_default=True, help="Which EHR.")
_format = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def command() -> None:
    """Changes that were made on both sides."""


@command.command("list")
@_connection
@_format
def listed(connection: str, form: str) -> None:
    """List the conflicts that wait for a decision."""
    with _database().read() as tx:
        found = conflicts.listed(tx, connection)
    if form == "json":
        click.echo(codec.pretty([_plain(item) for item in found]))
        return
    table = Table("No", "Resource", "In question", "Since")
    for item in found:
        table.add_row(str(item.cid), f"{item.type}/{item.id}", ", ".join(item.paths), instant(item.created))
    if found:
        Console().print(table)
    click.echo(f"{len(found)} wait for a decision." if found else "There is no conflict.")


@command.command()
@click.argument("number", type=int)
@_connection
@_format
def show(number: int, connection: str, form: str) -> None:
    """Show a conflict: what both sides agreed on last, and what each made of it."""
    with _database().read() as tx:
        found = conflicts.get(tx, connection, number)
    if found is None:
        raise NotFound(f"There is no conflict {number}. See: fhirplan conflicts list")
    if form == "json":
        copies = {"base": found.base, "ours": found.local, "theirs": found.remote}
        click.echo(codec.pretty({**_plain(found), **copies}))
        return
    click.echo(f"{found.type}/{found.id}, {found.state}, since {instant(found.created)}")
    for path in found.paths:
        click.echo(f"\n{path}")
        key = path.partition(".")[2]
        for label, copy in (("agreed", found.base), ("ours", found.local), ("theirs", found.remote)):
            click.echo(f"  {label:<7} {_element(copy, key)}")
    click.echo(f"\nTo decide: fhirplan conflicts resolve {found.cid} --take ours (or theirs)")


@command.command("resolve")
@click.argument("number", type=int)
@click.option("--take", type=click.Choice(["ours", "theirs"]), required=True, help="The copy that is to count.")
@_connection
def decide(number: int, take: str, connection: str) -> None:
    """Resolve a conflict: ours is sent to the EHR at the next push, theirs is taken here at once."""
    chosen = _settings()
    with opened(chosen, connection) as sides:
        resolve(sides, number, "ours" if take == "ours" else "theirs", actor="command line")
    click.echo(f"Conflict {number} is resolved: {take} {'is sent next' if take == 'ours' else 'was taken'}.")


def _settings() -> Settings:
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    return chosen


def _database() -> Database:
    return Database.open(_settings().database)


def _element(copy: Resource | None, key: str) -> str:
    if copy is None:
        return "(deleted)"
    value = copy.get(key) if key else copy
    return codec.dumps(value).decode() if value is not None else "(nothing)"


def _plain(item: Collision) -> dict[str, Any]:
    return {
        "number": item.cid,
        "type": item.type,
        "id": item.id,
        "paths": list(item.paths),
        "state": item.state,
        "since": instant(item.created),
    }
