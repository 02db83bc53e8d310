"""Opens our pages from a chart, signs people in at their EHR and brings them back, and lets them leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from flask import Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from fhirplan.chart.words import LANGUAGES, words
from fhirplan.errors import EhrUnavailable
from fhirplan.launch import asking
from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import Begun, begin, connection_of
from fhirplan.launch.finish import Arrived, arrived, open_session
from fhirplan.launch.refusals import OAuthRefused, PageRefused
from fhirplan.launch.renewal import leave
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.store.access.secrets import digest
from fhirplan.store.access.sessions import AFTERWARDS
from fhirplan.telemetry import log
from fhirplan.web.chart import csrf
from fhirplan.web.forms import once
from fhirplan.web.languages import language, remember_language
from fhirplan.web.sessions import COOKIE, all_ancestors, ancestors, drop_cookie, session_of, set_cookie

ATTEMPT: Final = "__Host-fhirplan-in-"
_ATTEMPT_SECONDS: Final = 600
_log: Final = log("launch")


def add_launch(app: Flask, authority: Authority) -> None:
    """Serves /auth/launch, /auth/login, /auth/callback, /auth/said and /chart/leave."""

    def launch() -> ResponseReturnValue:
        """Opened by an EHR from a chart (SMART App Launch 2.2, EHR launch)."""
        given = once(request.query_string)
        if not given.get("iss") or not given.get("launch"):
            raise PageRefused("not_a_launch")
        connection = connection_of(authority, given["iss"])
        g.frame_ancestors = ancestors(connection)
        return sent(begin(authority, connection, given["iss"], launch=given["launch"]))

    def login() -> ResponseReturnValue:
        """Opened by a person, to sign in at the EHR of a connection (standalone launch)."""
        connection = authority.settings.connection(request.args.get("connection", DEFAULT_CONNECTION))
        if connection is None or not connection.launch_client_id or not connection.ehr_url:
            raise PageRefused("no_ehr", status=404)
        return sent(begin(authority, connection, connection.ehr_url))

    def callback() -> ResponseReturnValue:
        """Comes back from the EHR, by way of the browser that was sent there."""
        given = once(request.query_string)
        name = attempt_cookie(given.get("state", ""))
        come = arrived(authority, given, request.cookies.get(name, ""))
        answer = _chart(authority, come) if come.goal.get("to") == "chart" else _consent(authority, come)
        drop_cookie(answer, name)
        return answer

    def logout() -> ResponseReturnValue:
        """Ends the session of this chart; a form of ours posts it."""
        session = session_of(request)
        csrf.check(request)
        answer = page("left.html", again=url_for("launch.said", why="left"))
        if session is not None:
            leave(authority, session)
            drop_cookie(answer, COOKIE + session.sid)
            _log.info("session ended", sid=session.sid)
        return answer

    def said() -> ResponseReturnValue:
        """A refusal again, in another language; only sentences of the catalogue can be named."""
        key, because = request.args.get("why", ""), request.args.get("because", "")
        if key == "left":
            return page("left.html", again=url_for("launch.said", why="left"))
        if not all(words().has(f"refused.{name}") for name in (key, because) if name) or not key:
            raise PageRefused("malformed")
        return refused_page(key, because, 200)

    def in_a_frame(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
        """The view, whose refusals are seen in the frame of an EHR too: they show nothing and hold no form."""
        shown = guarded(view)

        def framed() -> ResponseReturnValue:
            g.frame_ancestors = all_ancestors(authority.settings)
            return shown()

        return framed

    app.add_url_rule("/auth/launch", "launch.launch", in_a_frame(launch), methods=["GET"])
    app.add_url_rule("/auth/login", "launch.login", guarded(login), methods=["GET"])
    app.add_url_rule("/auth/callback", "launch.callback", in_a_frame(callback), methods=["GET"])
    app.add_url_rule("/auth/said", "launch.said", in_a_frame(said), methods=["GET"])
    app.add_url_rule("/chart/leave", "launch.logout", guarded(logout), methods=["POST"])


def guarded(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    """The view, whose refusals become a page for the person in front of the browser."""

    def shown() -> ResponseReturnValue:
        try:
            return view()
        except asking.SentBack as error:
            return led(error.url)
        except PageRefused as error:
            _log.info("refused", place=request.path, reason=error.because or error.key, status=error.status)
            return refused_page(error.key, error.because, error.status)
        except OAuthRefused as error:
            _log.info("refused", place=request.path, reason=error.text, status=error.status)
            return refused_page("malformed", "", error.status)
        except EhrUnavailable:
            _log.warning("EHR does not sign in", place=request.path)
            return refused_page("ehr_down", "", 503)

    return shown


def page(name: str, status: int = 200, *, again: str, **values: Any) -> Response:
    """A page outside any chart, in the language of whoever reads it.

    ``again`` is where to have it in another, "" where it cannot be had again.
    """
    said = language(request)
    others = [other for other in LANGUAGES if again and other != said.language]
    joined = "&" if "?" in again else "?"
    switch = [(other, f"{again}{joined}lang={other}") for other in others]
    answer = Response(render_template(name, words=said, switch=switch, **values), status)
    answer.headers["Vary"] = "Cookie, Accept-Language"
    remember_language(answer, request)
    return answer


def refused_page(key: str, because: str, status: int) -> Response:
    """The page that says a refusal by the names of its sentences."""
    again = url_for("launch.said", why=key, because=because or None)
    return page("sign_in_refused.html", status, again=again, why=key, because=because)


def sent(begun: Begun, answer: Response | None = None) -> Response:
    """The answer that sends the browser to where its person signs in, remembering that it was this browser."""
    if answer is None and begun.method == "post":
        asked = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "lang"])
        again = f"{request.path}?{asked}" if request.method == "GET" else ""
        answer = page("sign_in_post.html", again=again, url=begun.url, fields=begun.fields)
        g.form_actions = (begun.url,)
    made = answer or led(begun.address)
    set_cookie(made, attempt_cookie(begun.state), begun.binding, _ATTEMPT_SECONDS)
    return made


def attempt_cookie(state: str) -> str:
    """The name of the cookie of one attempt to sign in; several may be under way in one browser."""
    return ATTEMPT + digest(state)[:16]


def led(url: str) -> Response:
    """A redirect that nobody keeps; ``url`` was registered, or is ours."""
    return Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})


def _chart(authority: Authority, come: Arrived) -> Response:
    session = open_session(authority, come, request.remote_addr or "")
    connection = authority.settings.connection(session.connection)
    g.frame_ancestors = ancestors(connection) if connection is not None else ()
    _log.info("chart opened", sid=session.sid, connection=session.connection)
    where = url_for("chart.patient", id_=session.patient) if session.patient else url_for("chart.patients")
    answer = _as_response(redirect(f"{request.script_root}/chart/s/{session.sid}{where}"))
    # The cookie outlives the session, so that what its person was typing when it ended can be kept for them.
    lasting = session.expires - session.created + AFTERWARDS
    set_cookie(answer, COOKIE + session.sid, come.secret, lasting // 1000)
    return answer


def _consent(authority: Authority, come: Arrived) -> Response:
    """Goes on with an app's request, now that its person is known."""
    name = str(come.goal["cookie"])
    person = {
        "subject": come.session.subject,
        "user": come.session.fhir_user,
        "patient": come.session.patient,
        "encounter": come.session.encounter,
    }
    secret = asking.signed_in(authority, str(come.goal["request"]), request.cookies.get(name, ""), person)
    return led(url_for("apps.consent", request=secret))


def _as_response(made: AnyResponse) -> Response:
    return Response(made.get_data(), made.status_code, made.headers)
