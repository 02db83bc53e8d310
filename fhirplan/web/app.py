"""Makes the Flask application: the FHIR API, sign-in, pages and health, with protective headers around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, g, request

from fhirplan.assembly import build_authority, build_cds
from fhirplan.interactions.services import Services
from fhirplan.telemetry import bind_request, log
from fhirplan.web.apps import add_apps
from fhirplan.web.auth import add_auth
from fhirplan.web.cds import add_cds
from fhirplan.web.chart.apps import add_other_apps
from fhirplan.web.chart.chart import add_chart
from fhirplan.web.chart.signed_in import add_signed_in
from fhirplan.web.cors import add_cors
from fhirplan.web.direct import FAILED, Direct
from fhirplan.web.fhir_api import FhirApi, add_fhir_api
from fhirplan.web.headers import policy, require_loopback, secured
from fhirplan.web.health import add_health
from fhirplan.web.last_net import add_last_net
from fhirplan.web.launch import add_launch
from fhirplan.web.metrics import add_metrics
from fhirplan.web.proxies import BehindProxies
from fhirplan.web.rates import Limit, add_rates, limiter
from fhirplan.web.requests import known_id
from fhirplan.web.responses import FhirResponse
from fhirplan.web.sessions import add_sessions
from fhirplan.web.traffic import Traffic

_log: Final = log("web")
# What is counted by itself, and what together by its first part.
_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/cds-services", "/auth/token", "/auth/introspect")
_GROUPS: Final = ("auth", "chart", "cds-services", "launch", "static")


def create_app(services: Services) -> Flask:
    """The application over these services; nothing is opened before the first request."""
    app = _App("fhirplan.web")
    # FLASK_DEBUG in somebody's environment would have it otherwise.
    app.debug = False
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body_bytes
    app.config["REQUEST_SECONDS"] = services.settings.request_seconds
    # Else an address with two slashes would be sent elsewhere instead of being told that it is wrong.
    app.url_map.merge_slashes = False
    open_ = services.settings.auth == "open"
    api = FhirApi(services)
    within = limiter(services)
    traffic = Traffic(_PATHS, _GROUPS)
    _add_routes(app, services, api, within, traffic)
    add_last_net(app, services, open_=open_)
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
    proxies = services.settings.trusted_proxies
    outermost = traffic.around(BehindProxies(direct, proxies) if proxies else direct)
    app.wsgi_app = outermost  # type: ignore[assignment,method-assign] # as Flask's documentation has it
    return app


def _add_routes(app: Flask, services: Services, api: FhirApi, within: Limit | None, traffic: Traffic) -> None:
    add_fhir_api(app, api)
    if any(item.ehr_url for item in services.settings.all_connections):
        # Only where an EHR is spoken to: it brings an HTTP client with it.
        from fhirplan.web.conflicts import add_conflicts
        from fhirplan.web.ehr_notify import add_ehr_notify
        from fhirplan.web.receipts import add_receipts

        add_conflicts(app, services)
        add_receipts(app, services)
        add_ehr_notify(app, services)
    authority = build_authority(services)
    add_auth(app, authority)
    add_cds(app, services, *build_cds(services, authority.key_sets))
    add_launch(app, authority)
    add_apps(app, authority)
    add_sessions(app, authority)
    add_rates(app, within)
    add_cors(app, authority)
    add_health(app, services)
    add_metrics(app, services, traffic)
    add_chart(app, services)
    add_other_apps(app, services, authority)
    add_signed_in(app, services, authority)


class _App(Flask):
    """Flask without asynchronous views, of which there are none: it looks at each function of each request for that."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return func
