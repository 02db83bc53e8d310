"""The FHIR base of each connection: one view that turns requests into interactions and replies into responses."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from flask import Flask, Response, request

from fhirplan.errors import FhirplanError, Misconfigured, NotFound
from fhirplan.interactions.outcomes import refusal
from fhirplan.interactions.perform import READS, perform
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.values import Reply
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.telemetry import log
from fhirplan.web.bodies import body_of
from fhirplan.web.formats import Form
from fhirplan.web.requests import form_for_refusal, interaction, known_id
from fhirplan.web.responses import FhirResponse, Rendered, rendered

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_log: Final = log("web")


class FhirApi:
    """The FHIR base of each connection, without any framework: a WSGI environ in, what is to be answered out."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._bases = base_urls(services)
        self._open = services.settings.auth == "open"
        self._names = frozenset(services.settings.connections)

    def answer(self, environ: dict[str, Any], rest: str, connection: str) -> Rendered:
        """Status, headers and body for a request to ``rest`` below a base; Misconfigured and bugs are raised."""
        method = environ["REQUEST_METHOD"]
        asked_by = known_id(environ, self._services)
        base, kind = self._bases.get(connection, ""), ""
        form: Form | None = None
        try:
            if connection != DEFAULT_CONNECTION and connection not in self._names:
                raise _no_connection(connection)
            asked, form = interaction(
                environ,
                rest,
                self._services,
                connection=connection,
                base=base,
                open_=self._open,
                request_id=asked_by,
                body_of=partial(body_of, environ, self._services.settings.max_body_bytes),
            )
            kind = asked.kind
            reply = perform(self._services, asked)
        except Misconfigured:
            raise
        except FhirplanError as error:
            reply = refusal(error)
        if reply.status >= 400 or method not in ("GET", "HEAD"):
            _say(method, kind, reply)
        if form is None:
            form = form_for_refusal(environ)
        reading = method in ("GET", "HEAD") or kind in READS
        return rendered(reply, base=base, request_id=asked_by, open_=self._open, form=form, reading=reading)


def add_fhir_api(app: Flask, api: FhirApi) -> None:
    """Serves the FHIR API at /fhir and at /{connection}/fhir."""

    def fhir(rest: str = "", connection: str = DEFAULT_CONNECTION) -> Response:
        status, headers, body = api.answer(request.environ, rest, connection)
        return FhirResponse([body] if body else None, status, headers)

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
