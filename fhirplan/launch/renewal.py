"""Keeps a session going: renews the EHR's token ahead of its end, and ends the session when the EHR does."""

from __future__ import annotations

from dataclasses import replace

from fhirplan.ehr.sign_in import ask_for_token
from fhirplan.errors import EhrUnavailable
from fhirplan.launch.authority import Authority
from fhirplan.launch.finish import EARLY, renew_at, text_of, until
from fhirplan.launch.identity import ours
from fhirplan.store.access import sessions
from fhirplan.store.access.sessions import Session


def renewed(authority: Authority, session: Session) -> Session | None:
    """The session with the EHR's token renewed ahead of its end; None when the EHR has ended it.

    One request of several renews; the others go on with the token that is good for a moment yet. An EHR that does not
    answer ends nothing before its token has ended by itself.
    """
    now = authority.clock()
    if not session.renew_at or now < session.renew_at:
        return session
    connection = authority.settings.connection(session.connection)
    if connection is None:
        return None
    with authority.database.write() as tx:
        if not sessions.claim_renewal(tx, session.sid, session.renew_at, now + EARLY // 2):
            return session
    secret = session.body["refresh_token"]
    if not secret:
        return session if now < session.body["until"] else None
    form = {"grant_type": "refresh_token", "refresh_token": str(secret)}
    try:
        told = ask_for_token(connection, str(session.body["token"]), form, now / 1000)
    except EhrUnavailable:
        return session if now < session.body["until"] else None
    if told.status in (400, 401, 403):
        end(authority, session)
        return None
    if told.status != 200 or not isinstance(told.value.get("access_token"), str):
        return session if now < session.body["until"] else None
    body = {
        **session.body,
        "access_token": told.value["access_token"],
        "refresh_token": text_of(told.value, "refresh_token") or secret,
        "until": until(told.value, now),
    }
    made = replace(session, body=body, renew_at=renew_at(told.value, now))
    with authority.database.write() as tx:
        sessions.change(tx, authority.sealer, made)
    return made


def end(authority: Authority, session: Session) -> None:
    """Ends a session that the EHR does not renew any more."""
    with authority.database.write() as tx:
        sessions.end(tx, session.sid, authority.clock())


def leave(authority: Authority, session: Session) -> None:
    """Ends the session of a person who leaves, and no other of theirs."""
    with authority.database.write() as tx:
        sessions.forget(tx, session.sid)


def found_patient(authority: Authority, session: Session) -> Session:
    """The session with its patient, who may have come here by a sync since it began."""
    if session.patient or not session.body["ehr_patient"]:
        return session
    with authority.database.read() as tx:
        known = ours(tx, session.connection, str(session.body["iss"]), str(session.body["ehr_patient"]), "Patient")
    if not known:
        return session
    made = replace(session, patient=known.partition("/")[2])
    with authority.database.write() as tx:
        sessions.change(tx, authority.sealer, made)
    return made
