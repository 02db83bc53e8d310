"""The ``fhirplan`` command: loads the one subcommand that is asked for, so that each starts fast."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from fhirplan import __version__
from fhirplan.errors import FhirplanError

_NOT_CARRIED_OUT: Final = 2

COMMANDS: Final = {
    "serve": "serve the FHIR API and the chart pages",
    "worker": "pull, push and keep the coordination state current until stopped",
    "sandbox": "play an EHR to test against",
    "demo": "sandbox EHR, server and worker in one go, with sample data",
    "sync": "pull and push now, and report",
    "replay": "play a recorded sync again, without its EHR",
    "validate": "say what is wrong with resources, and what to do",
    "load": "bring Bundles in through the same checks as the API",
    "apply": "make a care plan of a template",
    "ehr": "what an EHR can do for us",
    "conflicts": "what was changed on both sides",
    "outbox": "what waits to be sent",
    "clients": "which programs may ask for access to our FHIR API",
    "access": "who sees what, and why",
    "keys": "keys that seal secrets and sign tokens",
    "package": "write our profiles as a FHIR package",
    "migrate": "bring the database to the current schema",
    "reindex": "make the search indexes anew",
}


class _Commands(click.Group):
    """The subcommands, each in its own module with a click command called ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fhirplan.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fhirplan")
def command() -> None:
    """FHIR R4-native care-plan integration server."""


def main() -> None:
    """Runs the command line; what cannot be carried out ends it with words, never a traceback, and exit code 2."""
    try:
        # Not standing alone, click gives the code of an Exit back instead of leaving with it.
        code = command.main(standalone_mode=False)
        if isinstance(code, int):
            sys.exit(code)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(_NOT_CARRIED_OUT)
    except FhirplanError as error:
        click.echo(f"fhirplan: {error.text}", err=True)
        sys.exit(_NOT_CARRIED_OUT)
    except OSError as error:
        click.echo(f"fhirplan: {_of_system(error)}", err=True)
        sys.exit(_NOT_CARRIED_OUT)


def _of_system(error: OSError) -> str:
    """What the operating system refused, and of which file."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}." if error.filename is not None else f"{what}."
