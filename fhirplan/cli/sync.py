"""``fhirplan sync``: pulls and pushes now, and reports what both sides hold."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fhirplan import assembly, settings, telemetry
from fhirplan.fhir import codec
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.sync.report import SyncReport, silent
from fhirplan.sync.run import run_sync
from fhirplan.sync.sides import Sides

_COUNTS: Final = {
    "new": "New",
    "changed": "Changed",
    "merged": "Merged",
    "unchanged": "Unchanged",
    "echo": "Our own",
    "gone": "Gone",
    "created": "Created there",
    "updated": "Updated there",
    "deleted": "Deleted there",
    "with_findings": "With findings",
    "refused": "Refused",
}
# The settings that what a sync does depends on.
OF_SERVER: Final = ("base_url", "validation")
OF_CONNECTION: Final = (
    "ehr_url",
    "ehr_vendor",
    "ehr_patients",
    "ehr_timeout",
    "ehr_failures_before_pause",
    "ehr_longest_pause",
    "push_lanes",
    "push_bundle_entries",
    "merge_policy",
    "merge_paths",
    "import_validation",
)


@click.command()
@click.option("--once", is_flag=True, help="Repeat pull and push until nothing moves, then stop.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
@click.option("--full", is_flag=True, help="Compare everything the EHR has, not only what changed.")
@click.option("--connection", "name", default=DEFAULT_CONNECTION, show_default=True, help="Which EHR.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep what is said between both sides in this file, for fhirplan replay. It holds patients' data.",
)
@click.option("--scrub", is_flag=True, help="Leave names and text out of the recording.")
def command(once: bool, dry_run: bool, full: bool, name: str, form: str, record: Path | None, scrub: bool) -> None:
    """Pull from the EHR and push to it now.

    What was just saved in the chart goes as soon as it can be undone no longer, which is waited for up to a minute.
    Exits with 0 when both sides agree, 1 when something waits, is parked, is in conflict or failed. With --dry-run it
    exits with 0 when everything could be looked at.
    """
    chosen = settings.load()
    telemetry.configure(chosen.log_level if chosen.log_level == "debug" else "error", chosen.log_format)
    if scrub and not record:
        raise click.UsageError("--scrub is for --record FILE.")
    how = {"dry_run": dry_run, "full": full, "once": once}
    with (
        opened(chosen, name, settled=True) as sides,
        _recorded(record, sides, chosen, how, scrub=scrub) as (used, keep),
    ):
        report = watched(lambda progress: run_sync(used, progress=progress, wait=time.sleep, **how))
        keep(report)
    if form == "json":
        click.echo(codec.pretty(report.as_json()))
    else:
        show(report, dry_run=dry_run)
    well = not report.problems if dry_run else report.agreed
    raise click.exceptions.Exit(0 if well else 1)


@contextmanager
def _recorded(
    path: Path | None, sides: Sides, chosen: Settings, how: dict[str, bool], *, scrub: bool
) -> Iterator[tuple[Sides, Callable[[SyncReport], None]]]:
    """The sides to sync with, and what keeps the report: in the recording, where there is one."""
    if path is None:
        yield sides, lambda _report: None
        return
    from fhirplan.sync.recording import Recording

    if path.exists():
        raise click.UsageError(f"{path} is there already. Name another file for the recording.")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {path.parent} to put the recording into.")
    most = chosen.recording_max_bytes
    with Recording(path, sides, _circumstances(sides, chosen, how), scrub=scrub, max_bytes=most) as recording:
        yield recording.sides, recording.ended
        if recording.full:
            click.echo(
                f"The recording ends after {most} bytes (recording_max_bytes); the sync went on without it.", err=True
            )


def _circumstances(sides: Sides, chosen: Settings, how: dict[str, bool]) -> dict[str, Any]:
    """What a replay needs besides the exchanges: how the sync was started, and the settings it depends on."""
    connection = chosen.connection(sides.connection)
    patients = Path(sides.patients)
    told = sides.patients and not sides.patients.startswith("Group/") and patients.is_file()
    return {
        "how": how,
        "renews": sides.client.renews,
        "connection": sides.connection,
        "settings": {name: getattr(chosen, name) for name in OF_SERVER},
        "ofConnection": {name: getattr(connection, name) for name in OF_CONNECTION},
        "patients": patients.read_text(encoding="utf-8") if told else None,
    }


class opened:  # noqa: N801 - used as a context manager only
    """The sides of a connection by its name, closed at the end; ``settled`` for work that goes on for a while.

    Raises click.UsageError for an unknown name.
    """

    def __init__(self, chosen: Settings, name: str, *, settled: bool = False) -> None:
        connection = chosen.connection(name)
        if connection is None:
            raise click.UsageError(f"There is no connection named {name!r} in the settings.")
        services = assembly.build(chosen)
        if settled:
            assembly.settle(services)
        self._sides = assembly.build_sync(chosen, services, connection)

    def __enter__(self) -> Sides:
        return self._sides

    def __exit__(self, *_: object) -> None:
        self._sides.client.__exit__()
        self._sides.database.close()


def watched(run: Callable[[Any], SyncReport]) -> SyncReport:
    """Runs with a progress bar on a terminal, and without one where nobody would see it move."""
    if not sys.stderr.isatty():
        return run(silent)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("Asking what the EHR can do", total=None)
        return run(
            lambda doing, done, total: bar.update(
                shown, description=f"{doing:<24}", completed=done, total=max(total, done) or None
            )
        )


def show(report: SyncReport, *, dry_run: bool = False) -> None:
    """Prints a report for people."""
    console = Console(highlight=False)
    shown = [(key, head) for key, head in _COUNTS.items() if any(getattr(item, key) for item in report.types)]
    if shown:
        table = Table(title="What would happen" if dry_run else None)
        table.add_column("Type", no_wrap=True)
        for _, head in shown:
            table.add_column(head, justify="right")
        for item in report.types:
            table.add_row(item.type, *(str(getattr(item, key) or "") for key, _ in shown))
        console.print(table)
    for type_, reason in report.skipped:
        console.print(f"{type_}: {reason}")
    for text in report.drift:
        console.print(f"The EHR has changed: {text} See: fhirplan ehr drift", markup=False)
    for text in (*report.problems, *report.reasons):
        console.print(text, markup=False)
    console.print(
        f"{report.pulled} pulled, {report.pushed} pushed, {report.conflicts} in conflict, {report.parked} parked, "
        f"{report.waiting} waiting; {report.calls} calls to the EHR in {report.seconds:.1f} s."
    )
    if not dry_run:
        console.print(standing(report))


def standing(report: SyncReport) -> str:
    """Where both sides stand, and what to do when they do not agree."""
    if report.agreed:
        return "Both sides agree."
    todo = []
    if report.conflicts:
        todo.append("see: fhirplan conflicts list")
    if report.undoable:
        todo.append(f"{report.undoable} can still be undone and will be sent after that")
    if report.parked or report.waiting > report.undoable:
        todo.append("see: fhirplan outbox list")
    return "Both sides do not agree yet" + (f"; {'; '.join(todo)}." if todo else ".")
