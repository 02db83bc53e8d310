"""Explains to an administrator which rule allows or hides what of somebody's request: ``POST $explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhirplan.errors import FhirplanError, MalformedRequest
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.bundles.transaction import Read
from fhirplan.interactions.operations.access_explained import Request, access_explained
from fhirplan.interactions.operations.inputs import inputs, parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def explain_access(services: Services, interaction: Interaction, reads: Mapping[str, Read]) -> Reply:
    """200 with Parameters of one ``rule`` for each line. Raises MalformedRequest, NotFound and what ``address`` does.

    The token to explain comes in the body alone, as what stands in an address is kept in logs.
    """
    if interaction.parameters:
        raise MalformedRequest("Send method, url and token as Parameters in the body, not in the address.")
    given = dict(inputs(services, interaction))
    method = given.get("method", "GET")
    if method not in METHODS:
        raise MalformedRequest(f"method is one of {', '.join(METHODS)}.", expression="http.method")
    authorization = f"Bearer {given['token']}" if given.get("token") else ""
    request = Request(method, given["url"], authorization, _bundle(services, interaction))
    try:
        told = [{"name": "rule", "valueString": line} for line in access_explained(services, request, reads)]
    except FhirplanError as error:
        raise MalformedRequest(f"That request cannot be read: {error.text}", expression="http.url") from None
    return Reply(200, dumps({"resourceType": "Parameters", "parameter": told}))


def _bundle(services: Services, interaction: Interaction) -> bytes:
    """The batch or transaction whose entries are to be explained, b"" where there is none."""
    found: list[Any] = [
        item["resource"]
        for item in parameters(services, interaction)
        if item.get("name") == "bundle" and "resource" in item
    ]
    return dumps(found[0]) if found else b""
