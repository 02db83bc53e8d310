"""The pages where an app asks for access and a person allows or refuses it (RFC 6749 section 4.1, SMART 2.2)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, g, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.chart.people import human_name
from fhirplan.launch import asking
from fhirplan.launch.asking import Waiting
from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import begin
from fhirplan.launch.granting import needs_patient
from fhirplan.launch.refusals import PageRefused
from fhirplan.settings import LOOPBACK_HOSTS
from fhirplan.store import versions
from fhirplan.store.access.secrets import new_secret
from fhirplan.store.coordination import patient_record
from fhirplan.web.forms import fields, once
from fhirplan.web.languages import language
from fhirplan.web.launch import guarded, page, sent
from fhirplan.web.scope_words import line
from fhirplan.web.sessions import set_cookie

REQUEST: Final = "__Host-fhirplan-app"
_SECONDS: Final = 15 * 60
_MOST_PATIENTS: Final = 100
PEOPLE: Final = frozenset({"Patient", "Practitioner", "RelatedPerson"})
"""Types whose names are shown, so that somebody sees as whom they allow what, and of whom."""


def add_apps(app: Flask, authority: Authority) -> None:
    """Serves /auth/authorize and /auth/consent."""

    def authorize() -> ResponseReturnValue:
        given = once(request.query_string) if request.method == "GET" else fields(request)
        binding = request.cookies.get(REQUEST, "") or new_secret()
        secret = asking.ask(authority, given, binding)
        known = asking.waiting(authority, secret, binding)
        if authority.settings.auth == "open":
            # Nobody is asked who they are on a server that is open to all, and the page says so.
            secret = asking.signed_in(authority, secret, binding, _nobody(known))
            answer = Response(status=303, headers={"Location": url_for("apps.consent", request=secret)})
        else:
            answer = _to_sign_in(authority, known, secret)
        set_cookie(answer, REQUEST, binding, _SECONDS)
        return answer

    def consent() -> ResponseReturnValue:
        secret, binding = request.args.get("request", ""), request.cookies.get(REQUEST, "")
        known = asking.waiting(authority, secret, binding)
        if not known.person:
            raise PageRefused("not_signed_in")
        g.form_actions = (str(known.body["redirect"]),)
        g.frame_ancestors = None
        return _page(authority, known, secret)

    def answered() -> ResponseReturnValue:
        form = request.form
        secret, binding = form.get("request", ""), request.cookies.get(REQUEST, "")
        _same_origin(authority)
        g.form_actions = (str(asking.waiting(authority, secret, binding).body["redirect"]),)
        if form.get("answer") != "allow":
            return _back(asking.refuse(authority, secret, binding))
        return _back(asking.allow(authority, secret, binding, form.getlist("scope"), form.get("patient", "")))

    app.add_url_rule("/auth/authorize", "apps.authorize", guarded(authorize), methods=["GET", "POST"])
    app.add_url_rule("/auth/consent", "apps.consent", guarded(consent), methods=["GET"])
    app.add_url_rule("/auth/consent", "apps.answered", guarded(answered), methods=["POST"])


def _to_sign_in(authority: Authority, known: Waiting, secret: str) -> Response:
    picks = needs_patient(known.scopes) and not known.launched.get("patient")
    scopes = "openid fhirUser launch/patient" if picks else "openid fhirUser"
    goal = {"to": "consent", "request": secret, "cookie": REQUEST}
    return sent(begin(authority, known.connection, known.connection.ehr_url, goal=goal, scopes=scopes))


def _nobody(known: Waiting) -> dict[str, str]:
    return {"subject": known.launched.get("subject") or asking.ANYBODY, "user": "", "patient": "", "encounter": ""}


def _same_origin(authority: Authority) -> None:
    """Raises PageRefused when another site posted this form.

    The request's secret in the form, and the cookie that it is bound to, are what keeps others from posting it.
    """
    # Of pages that send no referrer, as ours, browsers say that their origin is null.
    own = ("", "null", authority.base, f"{request.scheme}://{request.host}")
    fetched = request.headers.get("Sec-Fetch-Site", "same-origin")
    if fetched != "same-origin" or request.headers.get("Origin", "") not in own:
        raise PageRefused("foreign_form", status=403)


def _back(url: str) -> Response:
    return Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _page(authority: Authority, known: Waiting, secret: str) -> Response:
    open_ = authority.settings.auth == "open"
    about = known.launched.get("patient") or known.person.get("patient", "")
    picks = open_ and not about and needs_patient(known.scopes)
    said = language(request)
    return page(
        "consent.html",
        again=url_for("apps.consent", request=secret),
        app=known.client.name,
        where=urlsplit(str(known.body["redirect"])).hostname or str(known.body["redirect"]),
        local=urlsplit(str(known.body["redirect"])).hostname in LOOPBACK_HOSTS,
        lines=[line(scope, said) for scope in known.scopes],
        request_secret=secret,
        open_server=open_,
        person=_named(authority, known.connection.name, known.person.get("user", "")),
        patient=_named(authority, known.connection.name, f"Patient/{about}" if about else ""),
        patients=_patients(authority, known.connection.name) if picks else (),
        missing=needs_patient(known.scopes) and not about and not picks,
    )


def _named(authority: Authority, connection: str, reference: str) -> str:
    """What somebody is called, the id where no name is known here; "" for nobody."""
    type_, _, id_ = reference.rpartition("/")
    with authority.database.read() as tx:
        found = versions.current(tx, connection, type_, id_) if type_ in PEOPLE else None
    name = human_name(found.resource().get("name")) if found is not None and not found.deleted else ""
    return name or id_


def _patients(authority: Authority, connection: str) -> list[tuple[str, str]]:
    with authority.database.read() as tx:
        rows = patient_record.patients(tx, connection, after=0, count=_MOST_PATIENTS)
    return [(row.id, human_name(row.resource().get("name")) or row.id) for row in rows]
