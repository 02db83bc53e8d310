"""The command ``fhirplan validate``: files, folders, NDJSON, Bundles or standard input against R4 and profiles."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import click

from fhirplan.cli.validate_report import Result, as_json, as_outcome, as_text, grave, summary
from fhirplan.cli.validate_sources import Job, jobs
from fhirplan.errors import Issue, Misconfigured
from fhirplan.fhir import codec
from fhirplan.validation import repairs, texts
from fhirplan.validation.validate import Policy, Validator

_MANY: Final = 200
_CHUNK: Final = 16
_POLICIES: Final = ("base", "declared", "case-management")


@dataclass(frozen=True, slots=True)
class Run:
    """One run's choices, shared by all its texts."""

    validator: Validator
    profiles: tuple[str, ...]
    policy: Policy
    fix: bool

    def __call__(self, job: Job) -> Result:
        """Validates one text."""
        try:
            text = job.path.read_bytes() if job.path is not None else job.text
        except OSError as error:
            return Result(job.source, "", "", (Issue("fatal", "not-found", f"It cannot be read: {error.strerror}."),))
        report = texts.check(self.validator, text, self.profiles, policy=self.policy, suggest=True)
        fixed = 0
        if self.fix and report.resource is not None and job.path is not None and not texts.is_xml(text):
            made, fixed = repairs.apply(report.resource, report.issues)
            if fixed:
                job.path.write_text(codec.pretty(made) + "\n", encoding="utf-8")
        resource = report.resource or {}
        return Result(
            job.source, _string(resource.get("resourceType")), _string(resource.get("id")), report.issues, fixed
        )


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


_run: Run | None = None


def _one(job: Job) -> Result:
    if _run is None:
        raise RuntimeError("no run is set up")
    return _run(job)


def results(run: Run, work: list[Job]) -> Iterator[Result]:
    """The results in the order of the work, on all cores where there is much of it."""
    global _run
    cores = os.cpu_count() or 1
    if len(work) < _MANY or cores < 2 or not hasattr(os, "fork"):
        yield from map(run, work)
        return
    import multiprocessing

    _run = run  # inherited by the forked workers, so that nothing is compiled or loaded twice
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        yield from pool.imap(_one, work, _CHUNK)


def _shown(results_: Iterator[Result], total: int) -> Iterator[Result]:
    """Passes results on, with a progress bar on standard error when that is a terminal and there are many."""
    if not sys.stderr.isatty() or total < 20:
        yield from results_
        return
    from rich.console import Console
    from rich.progress import Progress

    # No thread of its own: the workers are forked while the bar is shown.
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("Validating", total=total)
        for count, result in enumerate(results_, 1):
            bar.update(task, completed=count, refresh=count % _CHUNK == 0)
            yield result


def _validator(packages: tuple[str, ...]) -> Validator:
    """A validator with the packages and the terminology server of the settings; raises Misconfigured."""
    said = any(f"FHIRPLAN_{name}" in os.environ for name in ("CONFIG", "PACKAGES", "TERMINOLOGY_URL"))
    if not said and not Path("fhirplan.toml").is_file():
        return Validator.load(packages=packages)  # the checks of the settings would take longer than those of one file
    from fhirplan import settings

    chosen, ask = settings.load(), None
    if chosen.terminology_url:
        from fhirplan.ehr.terminology import TerminologyServer

        ask = TerminologyServer(chosen.terminology_url, chosen.terminology_timeout).opened
    return Validator.load(packages=(*chosen.packages, *packages), ask=ask)


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--profile", "profiles", multiple=True, metavar="URL", help="Check against this profile too.")
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="DIR_OR_TGZ",
    help="Use the definitions of this package (folder, .tgz, or name#version in ~/.fhir/packages).",
)
@click.option("--format", "format_", type=click.Choice(["text", "json", "outcome"]), default="text", show_default=True)
@click.option("--fix", is_flag=True, help="Show and apply the repairs that are certain; files are rewritten.")
@click.option("--each-entry", is_flag=True, help="Take Bundles apart and validate each entry on its own.")
@click.option(
    "--policy",
    type=click.Choice(_POLICIES),
    envvar="FHIRPLAN_VALIDATION",
    default="case-management",
    show_default=True,
    help="base: R4 alone. declared: and meta.profile. case-management: and our profile of the type.",
)
def command(
    paths: tuple[str, ...],
    profiles: tuple[str, ...],
    packages: tuple[str, ...],
    format_: str,
    fix: bool,
    each_entry: bool,
    policy: str,
) -> None:
    """Validate FHIR resources: JSON or XML files, folders, NDJSON, Bundles or - for standard input.

    Exits 0 when all are valid, 1 when something is invalid, 2 when the command cannot be carried out.
    """
    try:
        validator = _validator(packages)
    except Misconfigured as error:
        raise click.UsageError(error.text) from None
    work = list(jobs(paths, each_entry))
    run = Run(validator, profiles, cast(Policy, policy), fix)
    done: list[Result] = []
    for result in _shown(results(run, work), len(work)):
        if format_ == "json":
            click.echo(as_json(result))
        elif format_ == "outcome":
            click.echo(as_outcome(result))
        else:
            for line in as_text(result):
                click.echo(line)
        done.append(Result(result.source, result.type, result.id, grave(result.issues)))
    if format_ == "text" and len(done) > 1:
        summary(done)
    click.get_current_context().exit(0 if all(one.valid for one in done) else 1)


if __name__ == "__main__":
    command()
