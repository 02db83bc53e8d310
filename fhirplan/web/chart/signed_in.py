"""The page on which a person sees the sessions they have with us, and ends one or all others."""

from __future__ import annotations

from typing import Final

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.chart import record
from fhirplan.errors import NotFound
from fhirplan.interactions.services import Services
from fhirplan.launch.authority import Authority
from fhirplan.launch.signed_in import end_others, own
from fhirplan.store.access.sessions import Session
from fhirplan.telemetry import log
from fhirplan.web.chart import csrf
from fhirplan.web.chart.frame import Frame, frame
from fhirplan.web.sessions import session_of

_log: Final = log("launch")


def add_signed_in(app: Flask, services: Services, authority: Authority) -> None:
    """Adds the page and its forms."""

    def listed() -> ResponseReturnValue:
        made, here = frame(services), session_of(request)
        found = own(authority, here) if here is not None else ()
        rows = [_row(made, item, here) for item in found if here is not None]
        idle = round(services.settings.session_idle_minutes)
        return made.page("chart/signed_in.html", rows=rows, idle=idle, ended=bool(request.args.get("ended")))

    def ended() -> ResponseReturnValue:
        csrf.check(request)
        frame(services)
        here = session_of(request)
        named = request.form.getlist("sid")
        count = end_others(authority, here, named or None) if here is not None else 0
        if here is None or (named and not count):
            raise NotFound("You have no other session of that name, or it has ended already.")
        _log.info("sessions ended by their person", sid=here.sid, count=count)
        return redirect(url_for("chart.signed_in", ended=1), 303)

    app.add_url_rule("/chart/sessions", "chart.signed_in", listed)
    app.add_url_rule("/chart/sessions", "chart.signed_in_ended", ended, methods=["POST"])


def _row(made: Frame, item: Session, here: Session) -> dict[str, str | bool]:
    now, zone = record.at(made.now), made.likes.zone
    # Whose charts the others are is not said: the page may be seen by the patient of this one.
    about = "any" if not item.patient else "same" if item.patient == here.patient else "other"
    return {
        "sid": item.sid,
        "this": item.sid == here.sid,
        "chart": made.words(f"sessions.{about}"),
        "begun": made.words.moment(record.at(item.created), now, zone),
        "used": made.words.moment(record.at(item.used), now, zone),
        "address": str(item.body.get("address", "")),
    }
