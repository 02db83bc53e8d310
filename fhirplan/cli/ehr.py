"""``fhirplan ehr``: what an EHR can do for us."""

from __future__ import annotations

import dataclasses
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from fhirplan import settings, telemetry
from fhirplan.catalog import CATALOG
from fhirplan.cli.sync import opened
from fhirplan.ehr.client import client
from fhirplan.ehr.discovery import Capabilities
from fhirplan.ehr.failures import LATER
from fhirplan.ehr.routes import Method, told
from fhirplan.ehr.vendors import vendor_of
from fhirplan.ehr.vendors.vendor import Vendor
from fhirplan.errors import EhrUnavailable
from fhirplan.fhir import codec
from fhirplan.fhir.dates import instant
from fhirplan.settings import DEFAULT_CONNECTION, Connection
from fhirplan.sync.drift import accept as accept_drift
from fhirplan.sync.drift import known_drift, look

# Columns of the table where it is read by no terminal.
WIDTH: Final = 160
_READS: Final = (("read", "read"), ("search", "search-type"), ("history", "history-type"))
_WRITES: Final[tuple[Method, ...]] = ("create", "update", "delete")


@click.group()
def command() -> None:
    """What an EHR can do for us."""


@command.command()
@click.argument("url")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def probe(url: str, form: str) -> None:
    """Ask the EHR at URL (its FHIR base) what it offers for our types, and which route each change would take.

    The token and timeout of the connection with that URL are used where the settings have one.
    """
    connection = _connection(url)
    try:
        with client(connection) as ehr:
            found = ehr.capabilities()
    except EhrUnavailable as error:
        raise click.ClickException(error.text.removesuffix(LATER).rstrip()) from None
    vendor = vendor_of(found.software, connection.ehr_vendor)
    if form == "json":
        click.echo(codec.pretty(_plain(found, vendor)))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(f"{found.software or 'An EHR that does not name itself'}, FHIR {found.fhir_version or 'unknown'}")
    console.print(f"Treated as: {vendor.name}")
    for fact in vendor.facts:
        console.print(f"  {fact.said} ({fact.date})", markup=False)
    console.print(f"Transactions: {'yes' if found.transaction else 'no'}")
    table = Table()
    table.add_column("Type", no_wrap=True)
    for head in ("Reads", "_lastUpdated", "Versions", "Create", "Update", "Delete"):
        table.add_column(head)
    for type_ in CATALOG:
        item = found.of(type_)
        reads = ", ".join(word for word, code in _READS if item.can(code)) or "not served"
        changed = "yes" if "_lastUpdated" in item.search else "no"
        table.add_row(
            type_, reads, changed, item.versioning or "unknown", *(told(found, vendor, type_, how) for how in _WRITES)
        )
    console.print(table)


@command.command()
@click.option("--connection", "name", default=DEFAULT_CONNECTION, show_default=True, help="Which EHR.")
@click.option("--accept", is_flag=True, help="Take what it offers now for what it is to offer.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def drift(name: str, accept: bool, form: str) -> None:
    """Ask the EHR anew what it offers, and say what is not as it was. Exits with 1 when something is not."""
    chosen = settings.load()
    telemetry.configure(chosen.log_level if chosen.log_level == "debug" else "error", chosen.log_format)
    with opened(chosen, name) as sides:
        said = look(sides, anew=True)
        known = known_drift(sides.database, sides.connection)
        if accept:
            accept_drift(sides.database, sides.connection)
    if form == "json":
        since = {thing: instant(at) for thing, (_, at) in known.drift.items()} if known else {}
        click.echo(codec.pretty({"drift": list(said), "since": since}))
    else:
        click.echo("\n".join(said) or "The EHR offers what it did.")
        if accept and said:
            click.echo("Accepted: from now on this is what it is to offer.")
    raise click.exceptions.Exit(1 if said and not accept else 0)


def _connection(url: str) -> Connection:
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    wanted = url.rstrip("/")
    for item in chosen.all_connections:
        if item.ehr_url.rstrip("/") == wanted:
            return item
    if not wanted.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is no http or https URL. Give the EHR's FHIR base.")
    return dataclasses.replace(Connection(), ehr_url=wanted)


def _plain(found: Capabilities, vendor: Vendor) -> dict[str, object]:
    return {
        "software": found.software,
        "fhirVersion": found.fhir_version,
        "vendor": vendor.name,
        "transaction": found.transaction,
        "types": {
            type_: {
                "interactions": sorted(found.of(type_).interactions),
                "search": sorted(found.of(type_).search),
                "versioning": found.of(type_).versioning,
                "conditionalCreate": found.of(type_).conditional_create,
                "routes": {method: told(found, vendor, type_, method) for method in _WRITES},
            }
            for type_ in CATALOG
        },
    }
