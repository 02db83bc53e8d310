"""``fhirplan load``: brings Bundles in through the same checks and the same commit as the API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from fhirplan import assembly, settings, telemetry
from fhirplan.access.decide import OPERATOR
from fhirplan.errors import FhirplanError, Issue, MalformedRequest
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.outcome import issues
from fhirplan.interactions.outcomes import status
from fhirplan.interactions.perform import perform
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.values import Interaction
from fhirplan.settings import DEFAULT_CONNECTION

_AS_THEY_ARE = ("transaction", "batch")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one file: the status of its Bundle, how many entries were written, and what was wrong."""

    path: str
    status: int
    entries: int
    issues: tuple[Issue, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether anything of it was not taken."""
        return self.status >= 400 or any(issue.is_error for issue in self.issues)


@click.command()
@click.argument("paths", metavar="BUNDLE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--connection", default=DEFAULT_CONNECTION, show_default=True, help="The connection to load into.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(paths: tuple[Path, ...], connection: str, form: str) -> None:
    """Load Bundles, single resources, NDJSON, or folders of them.

    A transaction or batch is taken as it is; of any other Bundle and of NDJSON each resource is put under its own
    id, all or none.
    Exits with 0 when all was taken, 1 when something was refused.
    """
    chosen = settings.load()
    telemetry.configure(chosen.log_level if chosen.log_level == "debug" else "warning", chosen.log_format)
    if chosen.connection(connection) is None:
        raise click.UsageError(f"There is no connection named {connection!r} in the settings.")
    files = list(_files(paths))
    if not files:
        raise click.UsageError(f"There is no .json or .ndjson file in {', '.join(map(str, paths))}.")
    services = assembly.build(chosen)
    done = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for path in progress.track(files, description="Loading"):
            done.append(load(services, connection, path))
    services.database.close()
    click.echo(json.dumps([_plain(item) for item in done], indent=2) if form == "json" else "", nl=form == "json")
    if form == "text":
        _print(done)
    raise click.exceptions.Exit(1 if any(item.refused for item in done) else 0)


def load(services: Services, connection: str, path: Path) -> Loaded:
    """Sends one file through the API's own path as ``fhirplan load`` would; never raises for what is in the file."""
    base = fhir_base(services.settings, connection)
    try:
        text = path.read_bytes()
        read = _read(text, path.suffix == ".ndjson", services.settings.max_depth)
        bundle = _bundle(read)
    except FhirplanError as error:
        return Loaded(str(path), status(error), 0, error.issues)
    asked = Interaction(
        "bundle",
        base,
        connection,
        body=text if bundle is read else codec.dumps(bundle),
        actor=OPERATOR,
        request_id=services.new_id(),
        imported=True,
    )
    reply = perform(services, asked)
    if reply.status >= 400:
        return Loaded(str(path), reply.status, 0, reply.issues)
    answered = codec.loads(reply.body).get("entry", [])
    refused = [issue for entry in answered for issue in issues(entry["response"].get("outcome")) if issue.is_error]
    return Loaded(str(path), reply.status, len(answered), tuple(refused))


def _read(text: bytes, lines: bool, max_depth: int) -> Resource:
    """The resource of a file; of NDJSON, a Bundle of those on its lines."""
    if not lines:
        return codec.loads_resource(text, max_depth=max_depth)
    listed = [codec.loads_resource(line, max_depth=max_depth) for line in text.splitlines() if line.strip()]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in listed]}


def _bundle(resource: Resource) -> Resource:
    """The transaction that puts what a file holds."""
    if resource["resourceType"] == "Bundle" and resource.get("type") in _AS_THEY_ARE:
        return resource
    entries = resource.get("entry", []) if resource["resourceType"] == "Bundle" else [{"resource": resource}]
    if not isinstance(entries, list):
        raise MalformedRequest("Bundle.entry is no array.", expression="Bundle.entry")
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_put(entry.get("resource") if isinstance(entry, dict) else None) for entry in entries],
    }


def _put(resource: Any) -> dict[str, Any]:
    if not isinstance(resource, dict) or not resource.get("id"):
        raise MalformedRequest("A resource without an id cannot be put. Give it one, or use a transaction with POST.")
    return {
        "resource": resource,
        "request": {"method": "PUT", "url": f"{resource.get('resourceType')}/{resource['id']}"},
    }


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        yield from sorted((*path.rglob("*.json"), *path.rglob("*.ndjson"))) if path.is_dir() else (path,)


def _plain(item: Loaded) -> dict[str, Any]:
    return {
        "path": item.path,
        "status": item.status,
        "entries": item.entries,
        "issues": [{"code": i.code, "text": i.text, "expression": i.expression} for i in item.issues],
    }


def _print(done: list[Loaded]) -> None:
    table = Table("File", "Taken", "Entries", "What was wrong")
    for item in done:
        wrong = "\n".join(f"{i.expression}: {i.text}" if i.expression else i.text for i in item.issues if i.is_error)
        table.add_row(item.path, "no" if item.refused else "yes", str(item.entries), wrong)
    Console().print(table)
