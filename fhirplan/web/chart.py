"""The pages of the chart: a list of patients and one patient's care plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan import __version__
from fhirplan.access.decide import decide
from fhirplan.chart import care_plan_page, record
from fhirplan.chart.words import Words, words
from fhirplan.interactions.services import Services
from fhirplan.web.viewer import NoSession, viewer

PATIENTS_ON_A_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class _Row:
    href: str
    name: str
    age: str
    plan: str
    open: int
    overdue: int


def add_chart(app: Flask, services: Services) -> None:
    """Adds the pages below /chart."""
    zone = ZoneInfo(services.settings.time_zone)
    language = words()

    def page(name: str, **values: Any) -> str:
        open_mode = services.settings.auth == "open"
        return render_template(name, words=language, open_mode=open_mode, version=__version__, **values)

    @app.errorhandler(NoSession)
    def no_session(_: NoSession) -> Response:
        return Response(page("launch.html"), 401)

    def patients() -> ResponseReturnValue:
        who = viewer(request, services)
        if who.patient:
            return redirect(url_for("chart.patient", id_=who.patient))
        decide(who.actor, "search-type", "Patient", services.settings.auth)
        after = request.args.get("after", 0, int)
        with services.database.read() as tx:
            rows = record.patients(
                tx, who.connection.name, record.at(services.clock()), zone, after=after, count=PATIENTS_ON_A_PAGE
            )
        more = url_for("chart.patients", after=rows[-1].rid) if len(rows) == PATIENTS_ON_A_PAGE else ""
        return page("patients.html", rows=[_row(row, language) for row in rows], next_href=more)

    def patient(id_: str) -> ResponseReturnValue:
        who = viewer(request, services)
        decide(who.actor, "read", "Patient", services.settings.auth)
        if who.patient not in (None, id_):
            return Response(page("other_patient.html", own=who.patient), 403)
        with services.database.read() as tx:
            found = record.patient(tx, who.connection.name, id_)
            if found is None:
                return Response(page("missing.html"), 404)
            world = record.world(tx, who.connection, id_, record.at(services.clock()), zone, language)
        plan = care_plan_page.build(found, world, request.args.get("plan", ""))
        return page("care_plan.html", page=plan, ehr=who.connection.ehr_label)

    app.add_url_rule("/chart/", "chart.home", patients)
    app.add_url_rule("/chart/patients", "chart.patients", patients)
    app.add_url_rule("/chart/patients/<id_>", "chart.patient", patient)


def _row(row: record.PatientRow, language: Words) -> _Row:
    return _Row(
        url_for("chart.patient", id_=row.id),
        row.name,
        language("head.age", n=row.age) if row.age is not None else "",
        row.plan,
        row.open,
        row.overdue,
    )
