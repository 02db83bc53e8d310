"""``fhirplan conflicts``: what was changed on both sides, and which copy is to count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from fhirplan import assembly, settings, telemetry
from fhirplan.cli.sync import opened
from fhirplan.errors import NotFound
from fhirplan.fhir import codec
from fhirplan.fhir.dates import instant
from fhirplan.interactions.incoming import checked
from fhirplan.merge.policy import Side
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.store.engine import Database
from fhirplan.store.sync import conflicts
from fhirplan.store.sync.conflicts import Collision
from fhirplan.sync.explain import Explained, explained
from fhirplan.sync.resolve import Edited, Fields, Take, resolve

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
    """Show a conflict: what each side did, in words and as it stands in both copies."""
    chosen = _settings()
    services = assembly.build(chosen)
    with services.database.read() as tx:
        found = conflicts.get(tx, connection, number)
        if found is None:
            raise NotFound(f"There is no conflict {number}. See: fhirplan conflicts list")
        known = explained(
            tx,
            connection,
            found,
            clinic=chosen.clinic_label,
            validate=lambda made: checked(services, made, connection=chosen.connection(connection)),
        )
    if form == "json":
        copies = {"base": found.base, "ours": known.local, "theirs": found.remote}
        click.echo(codec.pretty({**_plain(found), **_explained(known), **copies}))
        return
    _tell(known)


def _tell(known: Explained) -> None:
    found = known.conflict
    click.echo(f"{found.type}/{found.id}, {found.state}, since {instant(found.created)}")
    click.echo(f"  here   version {known.here.version or 'none'}, {known.here.at} {known.here.actor}".rstrip())
    click.echo(f"  there  version {known.there.version or 'unknown'}, {known.there.at}".rstrip(" ,"))
    for text in known.words:
        click.echo(f"\n{text}")
    for item in known.questions:
        click.echo(f"\n{item.path}")
        for label, value in (("agreed", item.agreed), ("ours", item.ours), ("theirs", item.theirs)):
            click.echo(f"  {label:<7} {_value(value)}")
    if not known.questions:
        for label, copy in (("agreed", found.base), ("ours", known.local), ("theirs", found.remote)):
            click.echo(f"  {label:<7} {_value(copy) if copy is not None else '(deleted)'}")
    click.echo(f"\nTo decide: fhirplan conflicts resolve {found.cid} --take ours (or theirs)")
    if known.questions:
        click.echo(
            f"or each by itself: fhirplan conflicts resolve {found.cid} --field '{known.questions[0].path}=ours' …"
        )


@command.command("resolve")
@click.argument("number", type=int)
@click.option("--take", type=click.Choice(["ours", "theirs"]), help="The copy that is to count as a whole.")
@click.option("--field", "fields", multiple=True, metavar="PATH=ours|theirs", help="Whose value counts for one field.")
@click.option(
    "--edited",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the resource as it is to be on both sides.",
)
@click.option("--seen", default="", metavar="EDITION", help="The edition that was looked at; another one is refused.")
@_connection
def decide(
    number: int, take: str | None, fields: tuple[str, ...], edited: Path | None, seen: str, connection: str
) -> None:
    """Resolve a conflict: theirs is taken here at once, everything else is sent to the EHR at the next push."""
    if sum(map(bool, (take, fields, edited))) != 1:
        raise click.UsageError("Say how to decide: --take ours, --take theirs, --field PATH=ours …, or --edited FILE.")
    decision = _decision(take, fields, edited)
    with opened(_settings(), connection) as sides:
        resolve(sides, number, decision, actor="command line", seen=seen)
    click.echo(f"Conflict {number} is resolved: {_done(take, fields)}.")


def _decision(take: str | None, fields: tuple[str, ...], edited: Path | None) -> Take | Fields | Edited:
    if edited:
        return Edited(codec.loads_resource(edited.read_bytes()))
    if take:
        return "ours" if take == "ours" else "theirs"
    choices: dict[str, Side] = {}
    for line in fields:
        path, _, side = line.rpartition("=")
        if not path or side not in _SIDES:
            raise click.BadParameter(f"{line!r} is no PATH=ours or PATH=theirs.", param_hint="--field")
        choices[path] = _SIDES[side]
    return Fields(choices)


_SIDES: Final[Mapping[str, Side]] = {"ours": "ours", "theirs": "theirs", "both": "both"}


def _done(take: str | None, fields: tuple[str, ...]) -> str:
    if take == "theirs":
        return "theirs was taken"
    return (
        "ours is sent next" if take else "the choice of each field is sent next" if fields else "your edit is sent next"
    )


def _settings() -> Settings:
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    return chosen


def _database() -> Database:
    return Database.open(_settings().database)


def _value(value: Any) -> str:
    return codec.dumps(value).decode() if value is not None else "(nothing)"


def _explained(known: Explained) -> dict[str, Any]:
    return {
        "edition": known.edition,
        "words": list(known.words),
        "changedHere": {"by": known.here.actor, "at": known.here.at, "version": known.here.version},
        "changedThere": {"at": known.there.at, "version": known.there.version},
        "questions": [
            {"path": q.path, "element": q.element, "words": q.words, "ours": q.ours, "theirs": q.theirs}
            for q in known.questions
        ],
    }


def _plain(item: Collision) -> dict[str, Any]:
    return {
        "number": item.cid,
        "type": item.type,
        "id": item.id,
        "paths": list(item.paths),
        "state": item.state,
        "since": instant(item.created),
    }
