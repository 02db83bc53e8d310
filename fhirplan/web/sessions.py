"""Keeps the charts that one browser has open apart: each launch has a path of its own and a cookie of its own.

Addresses below ``/chart/s/[sid]`` are those of the same pages without it, for the session of that id; links made on a
page keep it. The cookie ``__Host-fhirplan-[sid]`` holds the session's secret. It is partitioned (CHIPS), so that it
works in a frame of the EHR's page without being a third party's cookie, and tells the EHRs apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, Response, current_app, g

from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import issuers
from fhirplan.launch.renewal import found_patient, renewed
from fhirplan.launch.signed_in import in_use
from fhirplan.settings import Connection, Settings
from fhirplan.store.access import sessions
from fhirplan.store.access.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SID: Final = "fhirplan.sid"
AUTHORITY: Final = "fhirplan.authority"
COOKIE: Final = "__Host-fhirplan-"
_BY_ITSELF: Final = frozenset({"chart.pulse"})
"""What a page that lies open asks for without its person, which keeps no session from ending as idle."""
_PREFIX: Final = "/chart/s/"
_PATH: Final = re.compile(r"/chart/s/([0-9a-f]{16})(/.*)?")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class PerLaunch:
    """Strips a session's own path from an address before the application sees it, and notes the session's id."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The application's answer."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(_PREFIX):
            found = _PATH.fullmatch(path)
            if found is not None:
                environ[SID] = found[1]
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + _PREFIX + found[1]
                environ["PATH_INFO"] = found[2] or "/chart/"
        return self._app(environ, start_response)


def add_sessions(app: Flask, authority: Authority) -> None:
    """Lets the application tell its sessions apart."""
    app.extensions[AUTHORITY] = authority
    app.wsgi_app = PerLaunch(app.wsgi_app)  # type: ignore[method-assign]


def session_of(request: Request) -> Session | None:
    """The session that a request belongs to, its EHR token renewed where that is due; None where there is none."""
    known: Session | None = g.get("session")
    if known is not None:
        return known
    sid, authority = request.environ.get(SID), _authority()
    if not sid or authority is None:
        return None
    # What is said without a session is said where the session was, and is the same for everybody.
    g.frame_ancestors = all_ancestors(authority.settings)
    secret = request.cookies.get(COOKIE + sid, "")
    with authority.database.read() as tx:
        found = sessions.get(tx, authority.sealer, sid, secret, authority.clock()) if secret else None
    if found is None:
        return None
    found = in_use(authority, found, acts=request.endpoint not in _BY_ITSELF)
    found = renewed(authority, found) if found is not None else None
    if found is None:
        return None
    g.session = found_patient(authority, found)
    connection = authority.settings.connection(found.connection)
    g.frame_ancestors = ancestors(connection) if connection is not None else ()
    return found if g.session is None else g.session


def ended_session_of(request: Request) -> Session | None:
    """The session that a request belonged to until it ended by itself, a while ago at most; it opens nothing."""
    sid, authority = request.environ.get(SID), _authority()
    if not sid or authority is None:
        return None
    secret = request.cookies.get(COOKIE + sid, "")
    with authority.database.read() as tx:
        return sessions.ended(tx, sid, secret, authority.clock())


def ancestors(connection: Connection) -> tuple[str, ...]:
    """The web origins that may show a connection's pages in a frame: those of its EHR and those of its settings."""
    made = [*connection.launch_frame_ancestors, *issuers(connection)]
    return tuple(dict.fromkeys(found[0] for item in made if (found := _ORIGIN.match(item)) is not None))


def all_ancestors(settings: Settings) -> tuple[str, ...]:
    """The web origins of all EHRs that open our pages."""
    opening = (item for item in settings.all_connections if item.launch_client_id)
    return tuple(dict.fromkeys(origin for item in opening for origin in ancestors(item)))


def set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Sets a cookie that only this server sees, on this very host, over TLS or on this machine, also in a frame."""
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )


def drop_cookie(response: Response, name: str) -> None:
    """Has the browser forget a cookie of ``set_cookie``."""
    set_cookie(response, name, "", 0)


def _authority() -> Authority | None:
    found: Any = current_app.extensions.get(AUTHORITY)
    return found if isinstance(found, Authority) else None
