"""Writes docs/reference from the code: settings, commands, errors, the FHIR API."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from pathlib import Path

import click

from fhirplan import settings
from fhirplan.cli import main as cli

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made from the code by `make docs`; edit there. -->\n"


def pages() -> dict[str, str]:
    """Each generated page: file name and text."""
    return {"settings.md": _settings(), "commands.md": _commands(), "errors.md": _errors(), "fhir-api.md": _fhir_api()}


def _settings() -> str:
    rows = [
        "# Settings",
        "",
        NOTE,
        "A TOML file (`fhirplan.toml` in the working folder, or `FHIRPLAN_CONFIG`) and, over it, environment",
        "variables: `max_count` in the file is `FHIRPLAN_MAX_COUNT` in the environment. A wrong or unknown key stops",
        "the start with a message that names it.",
        "",
        "## The server",
        "",
        *_table(settings.Settings),
        "",
        "## One connection to an EHR",
        "",
        "At the top level these describe the default connection (served at `/fhir`); further ones stand in tables",
        "`[connections.NAME]` (served at `/NAME/fhir`).",
        "",
        *_table(settings.Connection),
    ]
    return "\n".join(rows) + "\n"


def _table(of: type) -> list[str]:
    rows = ["| key | meaning | accepted | default |", "|---|---|---|---|"]
    for item in dataclasses.fields(of):
        if not item.metadata:
            continue
        check = item.metadata["check"]
        accepted = item.metadata["accepted"] or ", ".join(f"`{one}`" for one in check.get("one_of", ()))
        if "minimum" in check:
            accepted = f"{check['minimum']} or more"
        default = "" if item.default in ("", ()) else f"`{item.default}`"
        rows.append(f"| `{item.name}` | {item.metadata['meaning']} | {accepted or 'text'} | {default or 'none'} |")
    return rows


def _commands() -> str:
    rows = ["# Commands", "", NOTE, "`fhirplan COMMAND --help` says the same in a terminal.", ""]
    for name in cli.COMMANDS:
        command = importlib.import_module(f"fhirplan.cli.{name}").command
        rows += _command(command, f"fhirplan {name}", 2)
    return "\n".join(rows)


def _command(command: click.Command, path: str, level: int) -> list[str]:
    context = click.Context(command, info_name=path)
    rows = [f"{'#' * level} {path}", "", inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    options = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if options:
        rows += ["| option | meaning |", "|---|---|"]
        rows += [
            f"| `{name.replace('|', chr(92) + '|')}` | {text.replace('|', chr(92) + '|')} |" for name, text in options
        ]
        rows.append("")
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            rows += _command(sub, f"{path} {sub.name}", level + 1)
    return rows


def _errors() -> str:
    from fhirplan.interactions import outcomes

    rows = [
        "# Errors",
        "",
        NOTE,
        "Every answer that is not a resource is an OperationOutcome. `code` is its issue code.",
        "",
    ]
    rows += ["The first that fits counts.", ""]
    rows += ["| error | status | code | meaning |", "|---|---|---|---|"]
    for error, status in outcomes.STATUS:
        meaning = inspect.cleandoc(error.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        rows.append(f"| {error.__name__} | {status} | `{error.code}` | {meaning} |")
    return "\n".join(rows) + "\n"


def _fhir_api() -> str:
    from fhirplan.catalog import CATALOG, COMMON

    rows = ["# The FHIR API", "", NOTE, "What `/fhir/metadata` claims, from the same source.", "", "## Every type", ""]
    rows += ["| parameter | type |", "|---|---|", *(f"| `{item.code}` | {item.type} |" for item in COMMON), ""]
    for name in sorted(CATALOG):
        spec = CATALOG[name]
        rows += [f"## {name}", ""]
        if spec.profile:
            rows += [f"Profile: `{spec.profile}`", ""]
        rows += ["| parameter | type | FHIRPath |", "|---|---|---|"]
        rows += [
            f"| `{item.code}` | {item.type} | `{item.expression.replace('|', chr(92) + '|')}` |" for item in spec.search
        ]
        rows.append("")
    return "\n".join(rows)


def main() -> None:
    """Writes every page."""
    folder = ROOT / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
