"""Takes a person back from their EHR: tokens for the code, who they are by the id_token, which chart by the context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fhirplan.ehr.sign_in import ask_for_token
from fhirplan.launch.authority import Authority
from fhirplan.launch.identity import Person, ours, person
from fhirplan.launch.refusals import PageRefused
from fhirplan.settings import Connection
from fhirplan.store.access import sessions, tickets
from fhirplan.store.access.secrets import new_secret, same
from fhirplan.store.access.sessions import Session
from fhirplan.store.access.tickets import Ticket

# The error codes of RFC 6749 section 4.1.2.1 and OpenID Connect, and the sentence for each.
_SAID: Final = {
    "access_denied": "not_allowed",
    "invalid_scope": "scope_not_given",
    "unauthorized_client": "client_not_let_in",
    "login_required": "login_required",
}
EARLY: Final = 60_000
"""Milliseconds before its end that an EHR's token is renewed."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A person who signed in at an EHR for the ``goal`` of ``begin``; ids in ``session`` are ours."""

    session: Session
    secret: str
    goal: dict[str, Any]
    ehr_patient: str


def arrived(authority: Authority, given: Mapping[str, str], binding: str) -> Arrived:
    """Who came back to /auth/callback with these fields, in the browser whose cookie holds ``binding``.

    Raises PageRefused, EhrUnavailable.
    """
    state = given.get("state", "")
    with authority.database.write() as tx:
        ticket = tickets.redeem(tx, authority.sealer, "state", state, authority.clock()) if state else None
    body = _checked(ticket, binding)
    connection = authority.settings.connection(str(body["connection"]))
    if connection is None:
        raise PageRefused("connection_gone")
    # Mixed-up issuers (RFC 9207): an answer that names another issuer, or none though it should, is not for us.
    if (given.get("iss") or body["named"]) and given.get("iss") != body["issuer"]:
        raise PageRefused("other_ehr")
    if "error" in given:
        raise PageRefused(_SAID.get(given["error"], "ehr_refused"), status=403)
    told = _exchanged(authority, connection, body, given.get("code", ""))
    who = person(authority, body, connection.launch_client_id, told.get("id_token"))
    session = _session(authority, connection, body, told, who)
    secret = new_secret()
    patient = told.get("patient")
    return Arrived(session, secret, dict(body["goal"]), patient if isinstance(patient, str) else "")


def _checked(ticket: Ticket | None, binding: str) -> dict[str, Any]:
    if ticket is None or ticket.state != "good":
        raise PageRefused("sign_in_over")
    if not same(binding, str(ticket.body["binding"])):
        raise PageRefused("sign_in_elsewhere")
    return ticket.body


def _exchanged(authority: Authority, connection: Connection, body: dict[str, Any], code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": str(body["redirect"]),
        "code_verifier": str(body["verifier"]),
    }
    told = ask_for_token(connection, str(body["token"]), form, authority.clock() / 1000)
    if not code or told.status != 200 or not isinstance(told.value.get("access_token"), str):
        raise PageRefused("permission_gone", status=403)
    return told.value


def _session(
    authority: Authority, connection: Connection, body: dict[str, Any], told: dict[str, Any], who: Person
) -> Session:
    now = authority.clock()
    patient, encounter = told.get("patient"), told.get("encounter")
    with authority.database.read() as tx:
        base = str(body["iss"])
        user = ours(tx, connection.name, base, who.user)
        known = ours(tx, connection.name, base, patient, "Patient") if isinstance(patient, str) else ""
        during = ours(tx, connection.name, base, encounter, "Encounter") if isinstance(encounter, str) else ""
    return Session(
        authority.new_id().replace("-", "")[:16],
        connection.name,
        who.subject,
        user,
        known.partition("/")[2],
        during.partition("/")[2],
        now,
        now + int(authority.settings.session_hours * 3_600_000),
        now,
        renew_at(told, now),
        {
            "iss": body["iss"],
            "token": body["token"],
            "access_token": told["access_token"],
            "refresh_token": text_of(told, "refresh_token"),
            "until": until(told, now),
            "ehr_patient": patient if isinstance(patient, str) else "",
            "context": context(told),
        },
    )


def context(told: Mapping[str, Any]) -> dict[str, Any]:
    """The launch context that pages heed: fhirContext, intent, banner and style, parts of the wrong kind left out."""
    listed = told.get("fhirContext")
    # STU 2.0 had references as plain texts there.
    given = listed if isinstance(listed, list) else []
    items = [{"reference": item} if isinstance(item, str) else item for item in given]
    banner = told.get("need_patient_banner")
    return {
        "fhirContext": [item for item in items if isinstance(item, dict)],
        "intent": text_of(told, "intent"),
        "need_patient_banner": banner if isinstance(banner, bool) else True,
        "smart_style_url": _https(text_of(told, "smart_style_url")),
    }


def open_session(authority: Authority, come: Arrived, address: str) -> Session:
    """Keeps the session of somebody who came from this network address to open the chart."""
    made = replace(come.session, body={**come.session.body, "address": address})
    with authority.database.write() as tx:
        sessions.begin(tx, authority.sealer, made, come.secret, authority.clock())
    return made


def renew_at(told: Mapping[str, Any], now: int) -> int:
    """When, in ms, an EHR's token is to be renewed: a minute or a fifth of its life ahead of its end."""
    ends = until(told, now)
    return max(now + 1, ends - min(EARLY, (ends - now) // 5))


def until(told: Mapping[str, Any], now: int) -> int:
    """When, in ms, the token of an answer ends; five minutes where it does not say."""
    seconds = told.get("expires_in")
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 10**8
    return now + (int(seconds * 1000) if good and isinstance(seconds, int | float) else 300_000)


def text_of(told: Mapping[str, Any], name: str) -> str:
    """A text of an answer; "" when there is none."""
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _https(url: str) -> str:
    return url if url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")) and len(url) < 500 else ""
