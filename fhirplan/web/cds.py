"""CDS Hooks over HTTP: discovery, the services and feedback at /cds-services."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, request

from fhirplan.cds import feedback
from fhirplan.cds.answer import Cds, answer
from fhirplan.cds.call import parsed
from fhirplan.cds.services import SERVICES, Service, discovery
from fhirplan.cds.trust import Trust
from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir import codec
from fhirplan.interactions.services import Services
from fhirplan.web.requests import known_id

_JSON: Final = "application/json"


def add_cds(app: Flask, services: Services, cds: Cds, trust: Trust) -> None:
    """Serves /cds-services, and each service and its feedback below it."""
    base = f"{services.settings.base_url.rstrip('/')}/cds-services"

    def discover() -> Response:
        return _answered(discovery())

    def call(id_: str) -> Response:
        service = _named(id_)
        if request.method == "OPTIONS":
            return _allowed()
        body = _body(services)
        server = body.get("fhirServer") if isinstance(body, dict) else ""
        authorization = request.headers.get("Authorization", "")
        caller = trust.caller(authorization, f"{base}/{id_}", server if isinstance(server, str) else "")
        made = answer(
            cds, parsed(service, body), caller, known_id(request.environ, services), request.remote_addr or ""
        )
        return _answered(made)

    def told(id_: str) -> Response:
        service = _named(id_)
        if request.method == "OPTIONS":
            return _allowed()
        caller = trust.caller(request.headers.get("Authorization", ""), f"{base}/{id_}/feedback")
        feedback.take(services.database, service, caller, _body(services))
        return _answered({})

    app.add_url_rule("/cds-services", "cds.discovery", discover, methods=["GET"], strict_slashes=False)
    posts: dict[str, Any] = {"methods": ["POST", "OPTIONS"], "provide_automatic_options": False}
    app.add_url_rule("/cds-services/<id_>", "cds.call", call, **posts)
    app.add_url_rule("/cds-services/<id_>/feedback", "cds.feedback", told, **posts)


def _named(id_: str) -> Service:
    found = SERVICES.get(id_)
    if found is None:
        raise NotFound(f"There is no CDS service {id_[:80]!r}. GET /cds-services lists those there are.")
    return found


def _body(services: Services) -> Any:
    if request.mimetype != _JSON:
        raise MalformedRequest("Send application/json.")
    return codec.loads(request.get_data(cache=False), max_depth=services.settings.max_depth)


def _answered(value: dict[str, Any]) -> Response:
    made = Response(codec.dumps(value), content_type=_JSON)
    # Any page may call from a browser: no cookie counts here, only the JWT that the caller has.
    made.headers["Access-Control-Allow-Origin"] = "*"
    return made


def _allowed() -> Response:
    made = Response(status=204)
    made.headers["Access-Control-Allow-Origin"] = "*"
    made.headers["Access-Control-Allow-Methods"] = "POST"
    made.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    made.headers["Access-Control-Max-Age"] = "600"
    return made
