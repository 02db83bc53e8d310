"""``fhirplan access``: which rule allows or hides what, of one request."""

from __future__ import annotations

from typing import BinaryIO, TextIO

import click

from fhirplan import assembly, settings
from fhirplan.interactions.operations.access_explained import Request, access_explained
from fhirplan.interactions.operations.explaining_access import METHODS
from fhirplan.interactions.perform import READS


@click.group()
def command() -> None:
    """Who sees what, and why."""


@command.command()
@click.option("--token", type=click.File(), help="A file with the access token, - for standard input; else none.")
@click.option("--body", type=click.File("rb"), help="A file with the batch or transaction that the request sends.")
@click.argument("method", type=click.Choice(METHODS))
@click.argument("url")
def explain(token: TextIO | None, body: BinaryIO | None, method: str, url: str) -> None:
    """Say of one request which rule allows or hides what. Example: explain --token - GET /fhir/Goal?patient=p1"""
    sent = body.read() if body is not None else b""
    if body is not None and not sent.strip():
        raise click.BadParameter(
            "The file is empty. Give the Bundle that the request sends, as JSON.", param_hint="--body"
        )
    services = assembly.build(settings.load())
    bearer = f"Bearer {token.read().strip()}" if token is not None else ""
    try:
        request = Request(method, url, bearer, sent)
        for line in access_explained(services, request, READS):
            click.echo(line)
    finally:
        services.database.close()
