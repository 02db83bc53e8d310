"""Tells over HTTP what became of each change to a resource at the EHR, as plain JSON."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from fhirplan.access.decide import decide
from fhirplan.catalog import spec
from fhirplan.fhir import codec
from fhirplan.fhir.dates import instant
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import absent, current, sight
from fhirplan.interactions.values import Interaction
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import receipts
from fhirplan.store.sync.receipts import Receipt
from fhirplan.web.plain_json import about, caller, connection_of, plain, serve


def add_receipts(app: Flask, services: Services) -> None:
    """Serves [type]/[id]/$receipts below each FHIR base."""

    def told(type_: str, id_: str, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = caller(services, connection)
        decide(actor, "read", spec(type_).type, services.settings.auth)
        with services.database.read() as tx:
            found = receipts.of(tx, connection_of(services, connection).name, type_, id_)
            if actor.grant is not None:
                found = _seen(services, tx, about(services, actor, connection, type_, id_), found)
        return plain({"receipts": [_receipt(item) for item in found]})

    serve(app, "/<type_>/<id_>/$receipts", "receipts", told, "GET")


def _seen(services: Services, tx: Transaction, asked: Interaction, found: list[Receipt]) -> list[Receipt]:
    """The receipts of the versions that a caller may see, whose content an EHR's refusal may quote.

    Raises NotFound where they may not know that there is such a resource.
    """
    if current(services, tx, asked, "r") is None:
        raise absent(asked)
    eyes = sight(services, tx, asked, "r")
    if eyes is None:
        return found
    then = {item.version: versions.at(tx, asked.connection, asked.type, asked.id, item.version) for item in found}
    shown = {number for number, version in then.items() if version is not None and eyes.saw(version)}
    return [item for item in found if item.version in shown]


def _receipt(item: Receipt) -> dict[str, Any]:
    return {
        "version": item.version,
        "route": item.route,
        "state": item.state,
        "ehrId": item.ehr_id,
        "ehrVersion": item.ehr_version,
        "at": instant(item.at),
        "outcome": codec.loads(item.outcome) if item.outcome else None,
    }
