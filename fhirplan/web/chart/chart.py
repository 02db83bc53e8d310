"""The pages below /chart: puts their parts together, and answers in a page's form where a page cannot be shown."""

from __future__ import annotations

import gzip
from typing import Final

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.access.decide import ANYBODY
from fhirplan.interactions.services import Services
from fhirplan.web.chart.assessment import add_assessment
from fhirplan.web.chart.calls import add_calls
from fhirplan.web.chart.caseload import add_caseload
from fhirplan.web.chart.csrf import NotSent, add_cookie
from fhirplan.web.chart.frame import Frame, NoPatient, OtherPatient, frame, preferences
from fhirplan.web.chart.goals import add_goals
from fhirplan.web.chart.pages import add_pages
from fhirplan.web.chart.style import add_style
from fhirplan.web.chart.tasks import add_tasks
from fhirplan.web.chart.templates import add_templates
from fhirplan.web.chart.undo import add_undo
from fhirplan.web.chart.work import add_work
from fhirplan.web.formats import takes_gzip
from fhirplan.web.viewer import NoChart, NoSession, Viewer

_PACKED: Final = ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")
_WORTH: Final = 1000


def add_chart(app: Flask, services: Services) -> None:
    """Adds the pages below /chart."""
    add_pages(app, services)
    add_tasks(app, services)
    add_goals(app, services)
    add_calls(app, services)
    add_caseload(app, services)
    add_work(app, services)
    add_templates(app, services)
    add_assessment(app, services)
    add_undo(app, services)
    add_style(app, services)
    if any(item.ehr_url for item in services.settings.all_connections):
        # Only where an EHR is spoken to: it brings an HTTP client with it.
        from fhirplan.web.chart.conflicts import add_conflict_pages

        add_conflict_pages(app, services)
    add_cookie(app)
    _add_refusals(app, services)

    def home() -> ResponseReturnValue:
        made = frame(services)
        if made.who.patient:
            return redirect(url_for("chart.patient", id_=made.who.patient))
        return redirect(url_for("chart.caseload"))

    app.add_url_rule("/chart/", "chart.home", home)
    app.add_url_rule("/", "start", lambda: redirect(url_for("chart.home")))

    @app.after_request
    def packed(response: Response) -> Response:
        if request.path.startswith("/static/") and response.status_code in (200, 304):
            # Nothing in these says anything about a patient, and their addresses change with their version.
            response.headers["Cache-Control"] = "public, max-age=3600"
        return _packed(response) if request.path.startswith(("/chart", "/static")) else response


def _add_refusals(app: Flask, services: Services) -> None:
    """What a person is shown where a page cannot be."""

    def nobody() -> Frame:
        return Frame(
            services,
            Viewer(ANYBODY, None, services.settings.default_connection),
            preferences(request, services),
            services.clock(),
        )

    @app.errorhandler(NoSession)
    def no_session(error: NoSession) -> Response:
        why = nobody().words(f"refused.{error.text}") if isinstance(error, NoChart) else ""
        answer = nobody().page("launch.html", 401, why=why, kept=error.kept)
        if error.kept:
            # For the script of the page that was typed on, which stays where it is.
            answer.headers["X-Draft"] = "kept"
        return answer

    @app.errorhandler(OtherPatient)
    def other(error: OtherPatient) -> Response:
        return nobody().page("other_patient.html", 403, own=error.own)

    @app.errorhandler(NoPatient)
    def missing(_: NoPatient) -> Response:
        return nobody().page("missing.html", 404)

    @app.errorhandler(NotSent)
    def not_sent(error: NotSent) -> Response:
        return nobody().page("refused.html", 403, text=nobody().words("err.not_ours"))


def _packed(response: Response) -> Response:
    """The answer compressed where the browser takes that; forms are safe in it since their token is masked anew."""
    if (
        response.status_code != 200
        or response.mimetype not in _PACKED
        or "Content-Encoding" in response.headers
        or not takes_gzip(request.headers.get("Accept-Encoding", ""))
    ):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) > _WORTH:
        response.set_data(gzip.compress(body, 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.headers.add("Vary", "Accept-Encoding")
    return response
