"""Serves the style that a viewer's EHR asks for, made from what stands at its smart_style_url."""

from __future__ import annotations

import json
import time
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request

from fhirplan.chart.style import stylesheet
from fhirplan.interactions.services import Services
from fhirplan.telemetry import log
from fhirplan.web.viewer import NoSession, Viewer, viewer

_log: Final = log("web")
_KEPT_SECONDS: Final = 600.0
_MOST_BYTES: Final = 20_000
_PATIENCE_SECONDS: Final = 2.0
_MOST_KEPT: Final = 50


def add_style(app: Flask, services: Services) -> None:
    """Adds /chart/style.css. It is read from the EHR's own host only, and from nowhere that merely is redirected to."""
    kept: dict[str, tuple[float, str]] = {}

    def style() -> Response:
        try:
            who = viewer(request, services)
        except NoSession:
            return Response("", mimetype="text/css")
        return Response(_kept(kept, who) if _is_theirs(who) else "", mimetype="text/css")

    app.add_url_rule("/chart/style.css", "chart.style", style)


def _is_theirs(who: Viewer) -> bool:
    style, base = urlsplit(who.style_url), urlsplit(who.connection.ehr_url)
    return bool(style.hostname) and style.hostname == base.hostname and style.scheme == base.scheme


def _kept(kept: dict[str, tuple[float, str]], who: Viewer) -> str:
    found = kept.get(who.style_url)
    if found and found[0] > time.monotonic():
        return found[1]
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    made = stylesheet(_read(who.style_url))
    kept[who.style_url] = (time.monotonic() + _KEPT_SECONDS, made)
    return made


def _read(url: str) -> object:
    """What stands there; None where it cannot be read in time, since a page is shown without a style just as well."""
    # Only where an EHR is spoken to: it brings an HTTP client with it.
    import requests

    try:
        with requests.get(url, timeout=_PATIENCE_SECONDS, allow_redirects=False, stream=True) as answer:
            body = answer.raw.read(_MOST_BYTES + 1, decode_content=True) if answer.status_code == 200 else b""
        return json.loads(body) if body and len(body) <= _MOST_BYTES else None
    except (requests.RequestException, OSError, ValueError) as error:
        _log.warning("style not read", reason=type(error).__qualname__)
        return None
