"""Makes the Flask application: FHIR API, health, pages, protective headers, and the last net for errors."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from fhirplan.assembly import build_authority, build_cds
from fhirplan.errors import FhirplanError, Issue, Misconfigured
from fhirplan.interactions.outcomes import failure, refusal, said
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Reply
from fhirplan.telemetry import bind_request, log
from fhirplan.web.apps import add_apps
from fhirplan.web.auth import add_auth
from fhirplan.web.cds import add_cds
from fhirplan.web.chart import add_chart
from fhirplan.web.chart_apps import add_other_apps
from fhirplan.web.cors import add_cors
from fhirplan.web.direct import FAILED, Direct
from fhirplan.web.fhir_api import FhirApi, add_fhir_api, base_urls
from fhirplan.web.headers import policy, require_loopback, secured
from fhirplan.web.health import add_health
from fhirplan.web.launch import add_launch
from fhirplan.web.metrics import add_metrics
from fhirplan.web.rates import add_rates, limiter
from fhirplan.web.requests import known_id
from fhirplan.web.responses import FhirResponse, fhir_response
from fhirplan.web.sessions import add_sessions
from fhirplan.web.traffic import Traffic

_log: Final = log("web")
# What is counted by itself, and what together by its first part.
_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/cds-services", "/auth/token", "/auth/introspect")
_GROUPS: Final = ("auth", "chart", "cds-services", "launch", "static")


def create_app(services: Services) -> Flask:
    """The application over these services; nothing is opened before the first request."""
    app = _App("fhirplan.web")
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body_bytes
    app.config["REQUEST_SECONDS"] = services.settings.request_seconds
    # Else an address with two slashes would be sent elsewhere instead of being told that it is wrong.
    app.url_map.merge_slashes = False
    open_ = services.settings.auth == "open"
    api = FhirApi(services)
    add_fhir_api(app, api)
    if any(item.ehr_url for item in services.settings.all_connections):
        # Only where an EHR is spoken to: it brings an HTTP client with it.
        from fhirplan.web.conflicts import add_conflicts
        from fhirplan.web.ehr_notify import add_ehr_notify

        add_conflicts(app, services)
        add_ehr_notify(app, services)
    authority = build_authority(services)
    add_auth(app, authority)
    add_cds(app, services, *build_cds(services, authority.key_sets))
    add_launch(app, authority)
    add_apps(app, authority)
    add_sessions(app, authority)
    within = limiter(services)
    add_rates(app, within)
    add_cors(app, authority)
    add_health(app, services)
    traffic = Traffic(_PATHS, _GROUPS)
    add_metrics(app, services, traffic)
    add_chart(app, services)
    add_other_apps(app, services, authority)
    _add_last_net(app, services, open_=open_)
    if open_:
        _log.warning("auth is open: everybody on this machine may read and change everything")

    def begin(environ: dict[str, Any]) -> None:
        bind_request(known_id(environ, services))
        if open_:
            require_loopback(environ)

    @app.before_request
    def begun() -> None:
        failed = request.environ.get(FAILED)
        if failed is not None:
            raise failed
        begin(request.environ)

    @app.after_request
    def protect(response: Response) -> Response:
        if type(response) is FhirResponse:
            return response
        response.headers.setdefault("X-Request-Id", known_id(request.environ, services))
        if "frame_ancestors" in g or "form_actions" in g:
            framing, leading = g.get("frame_ancestors", ()), g.get("form_actions", ())
            response.headers["Content-Security-Policy"] = policy(framing, leading)
        return secured(response, open_=open_)

    guards = (begin,) if within is None else (within, begin)
    direct = Direct(app.wsgi_app, api, guards)
    app.wsgi_app = traffic.around(direct)  # type: ignore[assignment,method-assign] # as Flask's documentation has it
    return app


class _App(Flask):
    """Flask without asynchronous views, of which there are none: it looks at each function of each request for that."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return func


def _add_last_net(app: Flask, services: Services, *, open_: bool) -> None:
    """Answers every error that got this far with an OperationOutcome and the request's id, never with a traceback."""
    base = base_urls(services)["default"]

    def respond(reply: Reply) -> Response:
        return fhir_response(reply, base=base, request_id=known_id(request.environ, services), open_=open_)

    @app.errorhandler(FhirplanError)
    def refused(error: FhirplanError) -> Response:
        return respond(refusal(error))

    @app.errorhandler(Misconfigured)
    def unready(error: Misconfigured) -> Response:
        _log.error("misconfigured", request_id=known_id(request.environ, services), reason=error.text)
        text = "This server is not ready for work. Its operator finds the reason in the log and at /readyz."
        return respond(Reply(503, said([Issue("fatal", "transient", text)]), retry_after=30))

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        code = {404: "not-found", 405: "not-supported", 413: "too-costly"}.get(error.code or 500, "processing")
        text = f"{error.name}. The FHIR API is at /fhir, and /fhir/metadata says what it offers."
        allow = tuple(getattr(error, "valid_methods", None) or ())
        return respond(Reply(error.code or 500, said([Issue("error", code, text)]), allow=allow))

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        known = known_id(request.environ, services)
        _log.error("unexpected", request_id=known, error=_kinds(error), frames=_frames(error))
        return respond(failure(known))


def _kinds(error: BaseException) -> list[str]:
    """The types of the error and of those behind it; their messages may quote a patient's data and stay out."""
    kinds: list[str] = []
    behind: BaseException | None = error
    while behind is not None and len(kinds) < 5:
        kinds.append(type(behind).__qualname__)
        behind = behind.__cause__ or behind.__context__
    return kinds


def _frames(error: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
