"""Serves the style that a viewer's EHR asks for, made from what stands at its smart_style_url."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request

from fhirplan.chart.style import stylesheet
from fhirplan.interactions.services import Services
from fhirplan.settings import LOOPBACK_HOSTS
from fhirplan.telemetry import log
from fhirplan.web.sessions import ancestors
from fhirplan.web.viewer import NoSession, Viewer, viewer

_log: Final = log("web")
_KEPT_SECONDS: Final = 600.0
_MOST_BYTES: Final = 20_000
_PATIENCE_SECONDS: Final = 2.0
_MOST_KEPT: Final = 50


def add_style(app: Flask, services: Services) -> None:
    """Adds /chart/style.css. It is read from the EHR's own origins only, and from nowhere that merely is led to."""
    kept: dict[str, tuple[float, str]] = {}

    def style() -> Response:
        try:
            who = viewer(request, services)
        except NoSession:
            return Response("", mimetype="text/css")
        return Response(_kept(kept, who.style_url) if is_theirs(who) else "", mimetype="text/css")

    app.add_url_rule("/chart/style.css", "chart.style", style)


def is_theirs(who: Viewer) -> bool:
    """Whether a style stands on one of the origins that the settings name for the viewer's EHR.

    This machine is one of them only where an EHR that is configured is on it, as in the demo.
    """
    style = urlsplit(who.style_url)
    return bool(style.hostname) and f"{style.scheme}://{style.netloc}" in ancestors(who.connection)


def _kept(kept: dict[str, tuple[float, str]], url: str) -> str:
    found = kept.get(url)
    if found and found[0] > time.monotonic():
        return found[1]
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    made = stylesheet(_read(url))
    kept[url] = (time.monotonic() + _KEPT_SECONDS, made)
    return made


def _read(url: str) -> object:
    """What stands there; None where it cannot be read in time, since a page is shown without a style just as well."""
    # Only where an EHR is spoken to: it brings an HTTP client with it.
    from fhirplan.ehr.fetching import Unfetchable, fetch

    near = urlsplit(url).hostname in LOOPBACK_HOSTS
    try:
        return fetch(url, loopback=near, private=True, seconds=_PATIENCE_SECONDS, most=_MOST_BYTES).value
    except Unfetchable as error:
        _log.warning("style not read", reason=error.text)
        return None
