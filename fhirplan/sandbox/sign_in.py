"""The sandbox's pages where people sign in, pick a patient and open an app from a chart, and its discovery of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import flask

from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.desk import Desk, NotSafe, Opening, leading
from fhirplan.sandbox.resources import FOREVER, Store

_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>body{font:1rem/1.5 sans-serif;margin:0;color:#1c2733;background:#eef1f4}"
    "header{background:#27384a;color:#fff;padding:.75rem 1.5rem}header h1{font-size:1.1rem;margin:0}"
    "header a,header p{color:#fff;margin:.25rem 0 0;font-size:.9rem}main{padding:1rem 1.5rem}form,p{max-width:40rem}"
    "iframe{display:block;width:100%;height:44rem;border:1px solid #9aa7b4;background:#fff}"
    "label{display:block;margin:.75rem 0}select,button{font:inherit;padding:.35rem .6rem;max-width:100%}</style></head>"
    "<body><header><h1>{{ title }}</h1><p>Sandbox EHR. All people are invented.</p></header><main>"
)
_SIGN_IN: Final = (
    _HEAD
    + '<p>There are no passwords here: pick who you are.</p><form method="post" action="/auth/sign-in">'
    + '<input type="hidden" name="request" value="{{ request_id }}">'
    + '<label>I am <select name="user">{% for id, name in users %}<option value="{{ id }}">{{ name }}</option>'
    + "{% endfor %}</select></label>"
    + '{% if patients is not none %}<label>Patient <select name="patient">{% for id, name in patients %}'
    + '<option value="{{ id }}">{{ name }}</option>{% endfor %}</select></label>{% endif %}'
    + "<p>{{ app }} asks for: {{ scope }}</p>"
    + '<button name="allow" value="yes">Allow</button> <button name="allow" value="no">Refuse</button></form>'
)
_LAUNCHER: Final = (
    _HEAD
    + '<form action="/launcher/chart"><label>I am <select name="user">{% for id, name in users %}'
    + '<option value="{{ id }}">{{ name }}</option>{% endfor %}</select></label>'
    + '<label>Patient <select name="patient">{% for id, name in patients %}<option value="{{ id }}">{{ name }}</option>'
    + '{% endfor %}</select></label><label>App <select name="app">{% for id in apps %}<option>{{ id }}</option>'
    + "{% endfor %}</select></label><button>Open the chart</button></form>"
    + "<p>The chart shows the app in a frame, as an EHR does. It is told who you are and which patient you opened.</p>"
)
_CHART: Final = (
    _HEAD
    + '<iframe src="{{ address }}" title="App"></iframe>'
    + '<p><a href="/launcher">Another patient</a> <a href="/launcher" target="_blank">A second chart beside it</a></p>'
)
_STYLE: Final = {"color_background": "#ffffff", "color_highlight": "#1a5fb4", "dim_border_radius": "4px"}


def configuration(base: str, gate: Gate | None, token_url: str) -> Resource:
    """The document .well-known/smart-configuration of a sandbox where people sign in."""
    made: Resource = gate.configuration(token_url) if gate else {"capabilities": [], "grant_types_supported": []}
    return {
        **made,
        "issuer": f"{base}/auth",
        "jwks_uri": f"{base}/auth/keys",
        "authorization_endpoint": f"{base}/auth/authorize",
        "token_endpoint": token_url,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", *made["grant_types_supported"]],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": [
            *("launch-ehr", "launch-standalone", "authorize-post", "client-public", "sso-openid-connect"),
            *("client-confidential-symmetric", "client-confidential-asymmetric", "context-ehr-patient"),
            *("context-ehr-encounter", "context-standalone-patient", "context-banner", "context-style"),
            *("permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v2"),
        ],
    }


def sign_in_door(store: Store, desk: Desk) -> flask.Blueprint:
    """The pages and documents below /auth and /launcher."""
    door = flask.Blueprint("sign_in", __name__)

    @door.route("/auth/authorize", methods=["GET", "POST"])
    def authorize() -> flask.Response:
        text = flask.request.query_string if flask.request.method == "GET" else flask.request.get_data()
        given = dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True))
        try:
            made = desk.asked(given, f"{_base()}/fhir")
            if isinstance(made, str):
                return _lead(made)
            number, request = made
            if request.opening is not None:
                # Whoever has the chart open is signed in already.
                return _lead(desk.approve(number, request.opening))
        except NotSafe as error:
            return flask.Response(str(error), 400, content_type="text/plain")
        picks = {"launch/patient"} & set(request.scope.split()) or "patient/" in request.scope
        return _page(
            _SIGN_IN,
            "Sign in at the sandbox EHR",
            request_id=number,
            users=_people(store, "Practitioner"),
            patients=_people(store, "Patient") if picks else None,
            app=request.app.client_id,
            scope=request.scope,
        )

    @door.post("/auth/sign-in")
    def sign_in() -> flask.Response:
        form = flask.request.form
        user, patient = form.get("user", ""), form.get("patient", "")
        allowed = form.get("allow") == "yes" and user
        try:
            return _lead(desk.approve(form.get("request", ""), Opening(user, patient) if allowed else None))
        except NotSafe as error:
            return flask.Response(str(error), 400, content_type="text/plain")

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
        return _page(_LAUNCHER, "Open a chart", users=users, patients=patients, apps=apps)

    @door.get("/launcher/chart")
    def chart() -> flask.Response:
        given = flask.request.args
        app = desk.apps.get(given.get("app", ""))
        if app is None or not app.launch_url:
            return flask.Response("No such app is registered here.", 404, content_type="text/plain")
        opening = Opening(
            given.get("user", ""), given.get("patient", ""), given.get("encounter", ""), given.get("intent", "")
        )
        address = leading(app.launch_url, {"iss": f"{_base()}/fhir", "launch": desk.open_chart(opening)})
        name = dict(_people(store, "Patient")).get(opening.patient, opening.patient)
        return _page(_CHART, f"Chart of {name}", address=address)

    return door


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
