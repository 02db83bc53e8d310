"""``fhirplan replay``: plays a recorded sync again against a fresh store, and says whether it did the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from fhirplan import assembly, settings, telemetry
from fhirplan.cli.sync import OF_CONNECTION, OF_SERVER, show
from fhirplan.errors import MalformedRequest
from fhirplan.fhir import codec
from fhirplan.settings import DEFAULT_CONNECTION, PREFIX, Settings
from fhirplan.sync.recording import differences
from fhirplan.sync.replay import Recorded, Replayed, load, play


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(file: Path, form: str) -> None:
    """Play the sync that fhirplan sync --record kept in FILE, without its EHR and in a store of its own.

    Exits with 0 when it comes to the same report as the recorded run, 1 when it does not, 2 for a file that is none.
    """
    telemetry.configure("error", "text")
    recorded = load(file)
    made = replayed(recorded)
    differing = differences(recorded.report, made.comparable) if recorded.report is not None else ()
    if form == "json":
        found = {"report": made.report.as_json(), "differences": list(differing), "unplayed": made.unplayed}
        click.echo(codec.pretty({**found, "complete": recorded.report is not None}))
    else:
        _tell(recorded, made, differing)
    raise click.exceptions.Exit(1 if differing else 0)


def replayed(recorded: Recorded) -> Replayed:
    """Plays a recording in a folder of its own, which is gone afterwards. Raises as ``play`` does."""
    with tempfile.TemporaryDirectory(prefix="fhirplan-replay-") as name:
        chosen = _settings(recorded, Path(name))
        services = assembly.build(chosen)
        services.database.migrate()
        connection = chosen.connection(_name(recorded))
        if connection is None:
            raise MalformedRequest("The recording names no connection.")
        sides = assembly.build_sync(chosen, services, connection)
        sides.client.__exit__()
        try:
            return play(recorded, sides)
        finally:
            services.database.close()


def _name(recorded: Recorded) -> str:
    return str(recorded.options.get("connection") or DEFAULT_CONNECTION)


def _settings(recorded: Recorded, folder: Path) -> Settings:
    """The recorded settings; none of this machine's are mixed in, least of all its database."""
    (folder / "fhirplan.toml").touch()
    try:
        of_server = {key: recorded.options["settings"][key] for key in OF_SERVER}
        of_connection: dict[str, Any] = {key: recorded.options["ofConnection"][key] for key in OF_CONNECTION}
    except (KeyError, TypeError):
        raise MalformedRequest("The first line of the recording lacks settings. Record it anew.") from None
    if recorded.options.get("patients") is not None:
        (folder / "patients").write_text(str(recorded.options["patients"]), encoding="utf-8")
        of_connection["ehr_patients"] = str(folder / "patients")
    name = _name(recorded)
    placed = of_connection if name == DEFAULT_CONNECTION else {"connections": {name: of_connection}}
    environ = {f"{PREFIX}CONFIG": str(folder / "fhirplan.toml")}
    return settings.load(environ, data_dir=str(folder), **of_server, **placed)


def _tell(recorded: Recorded, made: Replayed, differing: tuple[str, ...]) -> None:
    show(made.report)
    if made.unplayed:
        click.echo(f"{made.unplayed} recorded exchanges were not asked for.")
    if recorded.report is None:
        click.echo("The recording ended before its sync did, so there is no report to compare with.")
    elif differing:
        click.echo("It is not what was recorded:")
        for text in differing:
            click.echo(f"  {text}")
    else:
        click.echo("It is what was recorded.")
