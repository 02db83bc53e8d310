"""``fhirplan access``: which rule allows or hides what, of one request."""

from __future__ import annotations

from typing import TextIO

import click

from fhirplan import assembly, settings
from fhirplan.interactions.access_explained import access_explained


@click.group()
def command() -> None:
    """Who sees what, and why."""


@command.command()
@click.option("--token", type=click.File(), help="A file with the access token, - for standard input; else none.")
@click.argument("method", type=click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE"]))
@click.argument("url")
def explain(token: TextIO | None, method: str, url: str) -> None:
    """Say of one request which rule allows or hides what. Example: explain --token - GET /fhir/Goal/g1"""
    services = assembly.build(settings.load())
    bearer = f"Bearer {token.read().strip()}" if token is not None else ""
    try:
        for line in access_explained(services, bearer, method, url):
            click.echo(line)
    finally:
        services.database.close()
