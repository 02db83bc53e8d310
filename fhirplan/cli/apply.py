"""``fhirplan apply``: applies a template to a patient through the same path as the API, or shows what it would make."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhirplan import assembly, settings, telemetry
from fhirplan.access.decide import OPERATOR
from fhirplan.fhir import codec
from fhirplan.interactions.perform import perform
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.shipped import shipped
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.settings import DEFAULT_CONNECTION


@click.command()
@click.argument("template", metavar="TEMPLATE")
@click.option("--patient", required=True, metavar="ID", help="The patient to apply it to.")
@click.option("--practitioner", metavar="REF", help="Who leads, as PractitionerRole/ID; else who leads now.")
@click.option("--encounter", metavar="ID", help="The stay that gives admission and discharge; else the newest one.")
@click.option("--plan", metavar="ID", help="The care plan to add to.")
@click.option("--anchor", multiple=True, metavar="NAME=TIME", help="A moment to count from; may be repeated.")
@click.option("--leave-out", multiple=True, metavar="ACTION", help="An action that is not wanted; may be repeated.")
@click.option("--owner", multiple=True, metavar="ACTION=REF", help="Who is to do an action; may be repeated.")
@click.option("--connection", default=DEFAULT_CONNECTION, show_default=True, help="The connection of the patient.")
@click.option("--dry-run", is_flag=True, help="Show what would be made, and write nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    template: str,
    patient: str,
    practitioner: str | None,
    encounter: str | None,
    plan: str | None,
    anchor: tuple[str, ...],
    leave_out: tuple[str, ...],
    owner: tuple[str, ...],
    connection: str,
    dry_run: bool,
    form: str,
) -> None:
    """Apply a template: a care plan with goals, tasks and team, timed by the patient's stay.

    TEMPLATE is the id of a PlanDefinition, such as cm-heart-failure-discharge. Applied again it adds only what is new.
    Exits with 0 when it was applied, 1 when it was refused.
    """
    chosen = settings.load()
    telemetry.configure(chosen.log_level if chosen.log_level == "debug" else "warning", chosen.log_format)
    if chosen.connection(connection) is None:
        raise click.UsageError(f"There is no connection named {connection!r} in the settings.")
    services = assembly.build(chosen)
    known = shipped(services, "PlanDefinition")
    if template not in known:
        raise click.UsageError(f"There is no template {template!r}. There are: {', '.join(known)}.")
    given = [
        ("subject", f"Patient/{patient.removeprefix('Patient/')}"),
        ("dryRun", "true" if dry_run else "false"),
        ("practitioner", practitioner),
        ("plan", plan),
        ("encounter", encounter),
        *(("anchor", value) for value in anchor),
        *(("leaveOut", value) for value in leave_out),
        *(("owner", value) for value in owner),
    ]
    reply = _applied(services, connection, template, [(name, value) for name, value in given if value])
    services.database.close()
    _tell(reply, form)


def _applied(services: Services, connection: str, template: str, given: list[tuple[str, str]]) -> Reply:
    asked = Interaction(
        "apply",
        fhir_base(services.settings, connection),
        connection,
        type="PlanDefinition",
        id=template,
        parameters=tuple(given),
        actor=OPERATOR,
        request_id=services.new_id(),
    )
    return perform(services, asked)


def _tell(reply: Reply, form: str) -> None:
    """Says what came of it; ends with 1 where it was refused."""
    if reply.status >= 400:
        click.echo("\n".join(item.text for item in reply.issues), err=True)
        raise click.exceptions.Exit(1)
    if form == "json":
        click.echo(reply.body.decode())
    else:
        _show(codec.loads(reply.body))


def _show(made: Any) -> None:
    if made["resourceType"] != "Bundle":
        click.echo(f"{made['resourceType']}/{made['id']} has {len(made.get('activity', []))} activities now.")
        return
    table = Table("What", "Status", "Not before", "Due", "Title")
    for entry in made["entry"]:
        item = entry["resource"]
        period = (item.get("restriction") or {}).get("period") or {}
        title = (item.get("description") if item["resourceType"] == "Task" else None) or item.get("title") or ""
        if isinstance(title, dict) or item["resourceType"] == "Goal":
            title = (item.get("description") or {}).get("text", "")
        status = item.get("status") or item.get("lifecycleStatus") or ""
        table.add_row(item["resourceType"], status, period.get("start", ""), period.get("end", ""), str(title))
    Console().print(table)
    click.echo(f"{len(made['entry'])} resources would be written. Nothing was.")
