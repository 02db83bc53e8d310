"""The sandbox's doors for people: where they sign in, pick a patient and open an app from a chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import flask

from fhirplan.fhir import codec
from fhirplan.sandbox.desk import Desk, NotSafe, Opening, leading
from fhirplan.sandbox.resources import FOREVER, Store
from fhirplan.sandbox.sign_in_pages import CHART, LAUNCHER, SIGN_IN

_STYLE: Final = {"color_background": "#ffffff", "color_highlight": "#1a5fb4", "dim_border_radius": "4px"}


def sign_in_door(store: Store, desk: Desk) -> flask.Blueprint:
    """The pages and documents below /auth and /launcher."""
    door = flask.Blueprint("sign_in", __name__)

    @door.route("/auth/authorize", methods=["GET", "POST"])
    def authorize() -> flask.Response:
        return _authorized(store, desk)

    @door.post("/auth/sign-in")
    def sign_in() -> flask.Response:
        form = flask.request.form
        user, patient = form.get("user", ""), form.get("patient", "")
        allowed = form.get("allow") == "yes" and user
        return _lead(desk.approve(form.get("request", ""), Opening(user, patient) if allowed else None))

    @door.get("/auth/keys")
    def keys() -> flask.Response:
        return _json(desk.public_keys)

    @door.get("/style.json")
    def style() -> flask.Response:
        return _json(dict(_STYLE))

    @door.get("/launcher")
    def launcher() -> flask.Response:
        apps = [app.client_id for app in desk.apps.values() if app.launch_url]
        users, patients = _people(store, "Practitioner"), _people(store, "Patient")
        return _page(LAUNCHER, "Open a chart", users=users, patients=patients, apps=apps)

    @door.get("/launcher/chart")
    def chart() -> flask.Response:
        return _chart(store, desk, flask.request.args)

    @door.errorhandler(NotSafe)
    def not_safe(error: NotSafe) -> flask.Response:
        return flask.Response(str(error), 400, content_type="text/plain")

    return door


def _authorized(store: Store, desk: Desk) -> flask.Response:
    """Where an authorization request leads: back to the app, or to the page where a person signs in."""
    text = flask.request.query_string if flask.request.method == "GET" else flask.request.get_data()
    made = desk.asked(dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True)), f"{_base()}/fhir")
    if isinstance(made, str):
        return _lead(made)
    number, request = made
    if request.opening is not None:
        # Whoever has the chart open is signed in already.
        return _lead(desk.approve(number, request.opening))
    picks = {"launch/patient"} & set(request.scope.split()) or "patient/" in request.scope
    return _page(
        SIGN_IN,
        "Sign in at the sandbox EHR",
        request_id=number,
        users=_people(store, "Practitioner"),
        patients=_people(store, "Patient") if picks else None,
        app=request.app.client_id,
        scope=request.scope,
    )


def _chart(store: Store, desk: Desk, given: Mapping[str, str]) -> flask.Response:
    """The chart of a patient, with the app that was picked opened in it."""
    app = desk.apps.get(given.get("app", ""))
    if app is None or not app.launch_url:
        return flask.Response("No such app is registered here.", 404, content_type="text/plain")
    opening = Opening(
        given.get("user", ""), given.get("patient", ""), given.get("encounter", ""), given.get("intent", "")
    )
    address = leading(app.launch_url, {"iss": f"{_base()}/fhir", "launch": desk.open_chart(opening)})
    name = dict(_people(store, "Patient")).get(opening.patient, opening.patient)
    return _page(CHART, f"Chart of {name}", address=address)


def _people(store: Store, type_: str) -> list[tuple[str, str]]:
    listed = store.versions("type = ? AND until = ?", [type_, FOREVER])
    known = [codec.loads(version.body) for version in listed if version.body]
    prefix = "" if type_ == "Patient" else f"{type_}/"
    return [(f"{prefix}{item['id']}", _name(item)) for item in known]


def _name(resource: Mapping[str, Any]) -> str:
    name: Mapping[str, Any] = next(iter(resource.get("name") or []), {})
    return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]) or resource["id"])


def _base() -> str:
    return flask.request.host_url.rstrip("/")


def _page(template: str, title: str, **values: Any) -> flask.Response:
    return flask.Response(flask.render_template_string(template, title=title, **values), content_type="text/html")


def _lead(address: str) -> flask.Response:
    return flask.Response(status=302, headers={"Location": address, "Cache-Control": "no-store"})


def _json(value: dict[str, Any]) -> flask.Response:
    return flask.Response(codec.dumps(value), content_type="application/json")
