"""A small SMART app to open from a chart: it signs in at one FHIR server by EHR launch, and shows what it was let read.

SMART App Launch 2.2, EHR launch, public client with PKCE. It keeps nothing but what a launch under way needs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import flask
import requests

CLIENT: Final = "sample-app"
SCOPES: Final = ("openid", "fhirUser", "launch", "patient/Patient.r", "patient/CarePlan.rs", "patient/Task.rs")
LAUNCH: Final = "/sample-app/launch"
BACK: Final = "/sample-app/back"
_MOST: Final = 100
_SECONDS: Final = 10
_COOKIE: Final = "sample_app"
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sample app</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:0 auto;padding:1rem;color:#1c2733}</style>"
    "</head><body><h1>Sample app</h1><p>It stands for any SMART app. All people are invented.</p>{% if problem %}"
    "<p><strong>{{ problem }}</strong></p>{% else %}<p>It was opened from a chart at {{ base }}, and was let do this: "
    "{{ scope }}.</p><p>With its token it read:</p><ul><li>Patient: <strong>{{ patient }}</strong></li>"
    "<li>Care plans: {{ plans|join('; ') or 'none' }}</li><li>Tasks: {{ tasks }}</li></ul>{% endif %}</body></html>"
)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A launch under way: what proves that its code is ours, and where it is traded."""

    verifier: str
    token: str


def sample_app(base: str) -> flask.Blueprint:
    """The pages of the app, which the FHIR server at ``base`` and no other may open."""
    door = flask.Blueprint("sample_app", __name__)
    base = base.rstrip("/")
    begun: dict[str, _Begun] = {}

    @door.get(LAUNCH)
    def launch() -> flask.Response:
        if flask.request.args.get("iss", "").rstrip("/") != base:
            return _page(f"Only {base} opens this app.", 403)
        found = requests.get(f"{base}/.well-known/smart-configuration", timeout=_SECONDS, allow_redirects=False).json()
        state, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)
        while len(begun) >= _MOST:
            begun.pop(next(iter(begun)))
        begun[state] = _Begun(verifier, found["token_endpoint"])
        address = f"{found['authorization_endpoint']}?{urlencode(_asked(base, state, verifier))}"
        answer = flask.Response(status=302, headers={"Location": address})
        answer.set_cookie(_COOKIE, state, httponly=True, samesite="Lax", path="/sample-app")
        return answer

    @door.get(BACK)
    def back() -> flask.Response:
        given = flask.request.args
        known = begun.pop(given.get("state", ""), None)
        if known is None or flask.request.cookies.get(_COOKIE) != given.get("state"):
            return _page("This launch is over, or another browser began it. Open the app from the chart again.", 400)
        if "code" not in given:
            return _page(f"It was not let in: {given.get('error_description') or given.get('error', '')}", 403)
        form = {"grant_type": "authorization_code", "code": given["code"], "redirect_uri": _back()}
        form |= {"client_id": CLIENT, "code_verifier": known.verifier}
        told = requests.post(known.token, data=form, timeout=_SECONDS, allow_redirects=False)
        if told.status_code != 200:
            return _page("Its code was not taken. Open the app from the chart again.", 403)
        return _page("", 200, base=base, **_read(base, told.json()))

    return door


def _asked(base: str, state: str, verifier: str) -> dict[str, str]:
    """The authorization request of the launch that was opened."""
    return {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": _back(),
        "scope": " ".join(SCOPES),
        "state": state,
        "aud": base,
        "launch": flask.request.args.get("launch", ""),
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }


def _read(base: str, told: dict[str, Any]) -> dict[str, Any]:
    """What the token opens: the patient of the launch, their plans and how many tasks they have."""
    patient, headers = told.get("patient", ""), {"Authorization": f"Bearer {told['access_token']}"}

    def get(path: str) -> dict[str, Any]:
        found = requests.get(f"{base}/{path}", headers=headers, timeout=_SECONDS, allow_redirects=False)
        return dict(found.json()) if found.status_code == 200 else {}

    names = get(f"Patient/{patient}").get("name") or [{}]
    shown = " ".join([*names[0].get("given", []), names[0].get("family", "")]).strip() or names[0].get("text", "")
    plans = [
        item["resource"].get("title", "without a title") for item in get(f"CarePlan?patient={patient}").get("entry", [])
    ]
    tasks = get(f"Task?patient={patient}&_summary=count").get("total", "not let read")
    return {"scope": told.get("scope", ""), "patient": shown or "not let read", "plans": plans, "tasks": tasks}


def _back() -> str:
    return flask.request.host_url.rstrip("/") + BACK


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _page(problem: str, status: int, **values: Any) -> flask.Response:
    answer = flask.Response(flask.render_template_string(_PAGE, problem=problem, **values), status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
