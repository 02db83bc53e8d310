"""What the plain-JSON routes below each FHIR base share: where they are, who calls, which connection, the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from fhirplan.access.decide import ANYBODY, Actor, Grant, decide
from fhirplan.access.scopes import Scopes
from fhirplan.errors import NotFound
from fhirplan.fhir import codec
from fhirplan.interactions.authenticate import authenticate
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.values import Interaction
from fhirplan.settings import Connection


def serve(app: Flask, path: str, name: str, view: Callable[..., Response], method: str) -> None:
    """Serves a view at a path below the base of each connection; nothing else answers there."""
    for base in ("/fhir", "/<connection>/fhir"):
        app.add_url_rule(f"{base}{path}", name, view, methods=[method], provide_automatic_options=False)


def caller(services: Services, connection: str) -> Actor:
    """Who is calling; raises NotAuthenticated."""
    if services.settings.auth == "open":
        return ANYBODY
    actor = authenticate(services, request.headers.get("Authorization", ""), connection)
    if actor is None:
        decide(None, "read", "conflicts and receipts", services.settings.auth)
    return actor or Actor("nobody", Grant("", Scopes()))


def about(services: Services, actor: Actor, connection: str, type_: str, id_: str) -> Interaction:
    """The read of a resource, by which it is asked what a caller may see of it."""
    return Interaction("read", fhir_base(services.settings, connection), connection, type_, id_, actor=actor)


def connection_of(services: Services, name: str) -> Connection:
    """The connection of that name; raises NotFound where there is none, or none with an EHR."""
    found = services.settings.connection(name)
    if found is None:
        raise NotFound(f"There is no connection named {name[:80]!r} here.")
    if not found.ehr_url:
        raise NotFound(f"The connection {name} has no EHR, so nothing is in conflict and nothing is sent.")
    return found


def plain(value: dict[str, Any], *, etag: str = "") -> Response:
    """An answer that nobody keeps; ``etag`` names the state that it shows."""
    made = Response(codec.dumps(value), content_type="application/json")
    made.headers["Cache-Control"] = "no-store"
    if etag:
        made.headers["ETag"] = f'W/"{etag}"'
    return made
