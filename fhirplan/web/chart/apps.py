"""The menu of other apps in a patient's chart, how one of them is opened, and how what it was allowed is ended."""

from __future__ import annotations

from typing import Final

from flask import Flask, g, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.errors import NotFound
from fhirplan.interactions.services import Services
from fhirplan.launch import opening
from fhirplan.launch.allowed import allowed, end
from fhirplan.launch.asking import ANYBODY
from fhirplan.launch.authority import Authority
from fhirplan.telemetry import log
from fhirplan.web.chart import csrf
from fhirplan.web.chart.frame import Opened, opened
from fhirplan.web.launch import led
from fhirplan.web.scope_words import line
from fhirplan.web.sessions import session_of

_log: Final = log("launch")


def add_other_apps(app: Flask, services: Services, authority: Authority) -> None:
    """Adds the page that lists the apps, and the form that opens one."""

    def listed(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        found = opening.openable(authority, shown.frame.who.connection)
        # A form that leads elsewhere by a redirect needs leave for that, like one that goes there at once.
        g.form_actions = tuple(item.uri for item in found)
        given = allowed(authority, shown.frame.who.connection.name, _context(shown)["subject"])
        said = [(item, [line(text, shown.frame.words) for text in item.grant.scope.split()]) for item in given]
        return shown.show("chart/apps.html", tab="apps", apps=found, allowed=said, alone=_stands_alone())

    def handed(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        wanted = request.form.get("client", ""), request.form.get("uri", "")
        found = opening.openable(authority, shown.frame.who.connection)
        chosen = next((item for item in found if (item.client.client_id, item.uri) == wanted), None)
        if chosen is None:
            raise NotFound("No app of that name and address can be opened from a chart here.")
        where = opening.address(authority, chosen, _context(shown))
        _log.info("app opened", client=chosen.client.client_id, connection=chosen.client.connection)
        if _stands_alone():
            return led(where)
        # Apps ask for consent on a page that no frame may show, so from within one they get a tab of their own.
        return shown.show("chart/app_ready.html", tab="apps", app=chosen.client.name, address=where)

    def ended(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        connection = shown.frame.who.connection.name
        if not end(authority, connection, _context(shown)["subject"], request.form.get("grant", "")):
            raise NotFound("You have allowed nothing of that name, or it has ended already.")
        _log.info("access of an app ended by its person", connection=connection)
        return redirect(shown.url("apps"), 303)

    base = "/chart/patients/<id_>/apps"
    app.add_url_rule(base, "chart.apps", listed)
    app.add_url_rule(base, "chart.handed", handed, methods=["POST"])
    app.add_url_rule(f"{base}/end", "chart.allowed_ended", ended, methods=["POST"])


def _stands_alone() -> bool:
    """Whether the browser says that our page fills a tab; from older browsers it is not known."""
    return request.headers.get("Sec-Fetch-Dest", "") == "document"


def _context(shown: Opened) -> dict[str, str]:
    """Whose chart it is and who has it open; on a server that is open to all, nobody was asked."""
    session = session_of(request)
    if session is None:
        return {"subject": ANYBODY, "user": "", "patient": shown.id, "encounter": ""}
    during = session.encounter if session.patient == shown.id else ""
    return {"subject": session.subject, "user": session.fhir_user, "patient": shown.id, "encounter": during}
