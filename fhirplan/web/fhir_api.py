"""The FHIR base of each connection: one view that turns requests into interactions and replies into responses."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request

from fhirplan.errors import FhirplanError, Misconfigured, NotFound
from fhirplan.interactions.outcomes import refusal
from fhirplan.interactions.perform import READS, perform
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.values import Reply
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.telemetry import log
from fhirplan.web.formats import Form
from fhirplan.web.requests import form_for_refusal, interaction, known_id
from fhirplan.web.responses import fhir_response

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_log: Final = log("web")


def add_fhir_api(app: Flask, services: Services) -> None:
    """Serves the FHIR API at /fhir and at /{connection}/fhir."""
    bases = base_urls(services)
    open_ = services.settings.auth == "open"
    names = frozenset(services.settings.connections)

    def fhir(rest: str = "", connection: str = DEFAULT_CONNECTION) -> Response:
        environ = request.environ
        asked_by = known_id(environ, services)
        base, kind = bases.get(connection, ""), ""
        form: Form | None = None
        try:
            if connection != DEFAULT_CONNECTION and connection not in names:
                raise _no_connection(connection)
            asked, form = interaction(
                request, rest, services, connection=connection, base=base, open_=open_, request_id=asked_by
            )
            kind = asked.kind
            reply = perform(services, asked)
        except Misconfigured:
            raise
        except FhirplanError as error:
            reply = refusal(error)
        if reply.status >= 400 or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            _say(environ["REQUEST_METHOD"], kind, reply)
        if form is None:
            form = form_for_refusal(environ)
        reading = environ["REQUEST_METHOD"] in ("GET", "HEAD") or kind in READS
        return fhir_response(reply, base=base, request_id=asked_by, open_=open_, form=form, reading=reading)

    for rule in ("/fhir", "/fhir/<path:rest>", "/<connection>/fhir", "/<connection>/fhir/<path:rest>"):
        app.add_url_rule(
            rule, "fhir", fhir, methods=list(METHODS), provide_automatic_options=False, strict_slashes=False
        )


def base_urls(services: Services) -> dict[str, str]:
    """The FHIR base URL of each connection, without a slash at its end."""
    settings = services.settings
    return {item.name: fhir_base(settings, item.name) for item in settings.all_connections}


def _no_connection(name: str) -> NotFound:
    return NotFound(
        f"There is no connection named {name[:80]!r} here. The default connection is served at /fhir, others under "
        "the names that the settings give them."
    )


def _say(method: str, kind: str, reply: Reply) -> None:
    """One line about a write or a refusal; the codes of a refusal say what it was without saying about whom."""
    codes = {"codes": [issue.code for issue in reply.issues[:5]]} if reply.status >= 400 else {}
    about = {"type": reply.type, "id": reply.id, "version": reply.version} if reply.version else {}
    _log.info("interaction", method=method[:10], kind=kind, status=reply.status, **about, **codes)
