"""Opens our pages from a chart, signs people in at their EHR and brings them back, and lets them leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from fhirplan.errors import EhrUnavailable
from fhirplan.launch import asking
from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import Begun, begin, connection_of
from fhirplan.launch.finish import Arrived, arrived, open_session
from fhirplan.launch.refusals import OAuthRefused, PageRefused
from fhirplan.launch.renewal import leave
from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.store.secrets import digest
from fhirplan.store.sessions import AFTERWARDS
from fhirplan.telemetry import log
from fhirplan.web import chart_csrf
from fhirplan.web.forms import once
from fhirplan.web.sessions import COOKIE, all_ancestors, ancestors, drop_cookie, session_of, set_cookie

ATTEMPT: Final = "__Host-fhirplan-in-"
_ATTEMPT_SECONDS: Final = 600
_log: Final = log("launch")


def add_launch(app: Flask, authority: Authority) -> None:
    """Serves /auth/launch, /auth/login, /auth/callback and /auth/logout."""

    def launch() -> ResponseReturnValue:
        """Opened by an EHR from a chart (SMART App Launch 2.2, EHR launch)."""
        given = once(request.query_string)
        if not given.get("iss") or not given.get("launch"):
            raise PageRefused("This address is for EHRs: they open it from a patient's chart, with iss and launch.")
        connection = connection_of(authority, given["iss"])
        g.frame_ancestors = ancestors(connection)
        return sent(begin(authority, connection, given["iss"], launch=given["launch"]))

    def login() -> ResponseReturnValue:
        """Opened by a person, to sign in at the EHR of a connection (standalone launch)."""
        connection = authority.settings.connection(request.args.get("connection", DEFAULT_CONNECTION))
        if connection is None or not connection.launch_client_id or not connection.ehr_url:
            raise PageRefused("Nobody can sign in here: no EHR is configured for it (launch_client_id).", status=404)
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
        chart_csrf.check(request)
        answer = Response(page("left.html"))
        if session is not None:
            leave(authority, session)
            drop_cookie(answer, COOKIE + session.sid)
            _log.info("session ended", sid=session.sid)
        return answer

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
    app.add_url_rule("/chart/leave", "launch.logout", guarded(logout), methods=["POST"])


def guarded(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    """The view, whose refusals become a page for the person in front of the browser."""

    def shown() -> ResponseReturnValue:
        try:
            return view()
        except asking.SentBack as error:
            return led(error.url)
        except (PageRefused, OAuthRefused) as error:
            _log.info("refused", place=request.path, status=error.status)
            return Response(page("sign_in_refused.html", text=error.text), error.status)
        except EhrUnavailable as error:
            _log.warning("EHR does not sign in", place=request.path)
            return Response(page("sign_in_refused.html", text=error.text), 503)

    return shown


def page(name: str, **values: Any) -> str:
    """A page outside any chart."""
    return render_template(name, **values)


def sent(begun: Begun, answer: Response | None = None) -> Response:
    """The answer that sends the browser to where its person signs in, remembering that it was this browser."""
    if answer is None and begun.method == "post":
        answer = Response(page("sign_in_post.html", url=begun.url, fields=begun.fields))
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
    session = open_session(authority, come)
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
