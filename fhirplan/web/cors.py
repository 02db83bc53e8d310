"""Lets the pages of registered apps read answers of ours in a browser (Fetch Standard, CORS protocol; SMART 2.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request

from fhirplan.launch.authority import Authority
from fhirplan.launch.registry import from_file
from fhirplan.store.access import clients

_KEPT: Final = 15.0
"""Seconds for which the origins of registered apps are remembered."""
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ALLOWED: Final = ", ".join(
    [
        *("Authorization", "Content-Type", "Accept", "If-Match", "If-None-Match", "If-None-Exist"),
        *("If-Modified-Since", "Prefer", "X-Request-Id"),
    ]
)
_SHOWN: Final = "Location, ETag, Last-Modified, Retry-After, X-Request-Id, WWW-Authenticate"
_ENDPOINTS: Final = ("/auth/token", "/auth/revoke", "/auth/introspect")


def add_cors(app: Flask, authority: Authority) -> None:
    """Answers preflights and names the origin, for origins of registered redirect URIs alone; never with cookies."""
    known = origins(authority)

    @app.before_request
    def preflight() -> Response | None:
        if "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in request.environ:
            return None
        if request.method != "OPTIONS" or not _is_api(request.path):
            return None
        made = Response(status=204)
        if request.headers.get("Origin", "") in known():
            made.headers["Access-Control-Allow-Methods"] = _METHODS
            made.headers["Access-Control-Allow-Headers"] = _ALLOWED
            made.headers["Access-Control-Max-Age"] = "600"
        return made

    @app.after_request
    def named(response: Response) -> Response:
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None or not _is_api(request.path):
            return response
        if request.path.endswith("/fhir/metadata"):
            response.headers["Access-Control-Allow-Origin"] = "*"
        if "Access-Control-Allow-Origin" not in response.headers:
            response.headers.add("Vary", "Origin")
            if origin in known():
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = _SHOWN
        return response


def _is_api(path: str) -> bool:
    return path in _ENDPOINTS or path.startswith("/fhir") or "/fhir/" in path


def origins(authority: Authority) -> Callable[[], frozenset[str]]:
    """The web origins of all apps that may sign people in, as they were a moment ago."""
    kept: list[tuple[float, frozenset[str]]] = []

    def now() -> frozenset[str]:
        if not kept or time.monotonic() > kept[0][0]:
            kept[:] = [(time.monotonic() + _KEPT, _read(authority))]
        return kept[0][1]

    return now


def _read(authority: Authority) -> frozenset[str]:
    with authority.database.read() as tx:
        listed = [*clients.listed(tx), *from_file(authority.settings)]
    found = {origin for item in listed if not item.disabled for uri in item.redirect_uris if (origin := _origin(uri))}
    return frozenset(found)


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""
