"""Says who looks at a page of the chart: the person of a SMART session, or anybody where the server is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Request

from fhirplan.access.decide import ANYBODY, Actor, Grant
from fhirplan.access.scopes import parse
from fhirplan.errors import NotAuthenticated
from fhirplan.interactions.services import Services
from fhirplan.settings import Connection
from fhirplan.store.access.sessions import Session
from fhirplan.web.sessions import SID, ended_session_of, session_of


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at the chart and what they may see of it.

    ``patient`` is the id of the one patient that the session is about, None for any patient of ``connection``.
    ``style_url`` is the launch context's ``smart_style_url`` or "", ``need_banner`` its ``need_patient_banner``:
    whether the page is to say whose chart it is (SMART App Launch 2.2, section 3.1.4, launch context).
    """

    actor: Actor
    patient: str | None
    connection: Connection
    style_url: str = ""
    need_banner: bool = True


class NoSession(NotAuthenticated):
    """Nobody is known here: the page is to be opened from an EHR, or again after its session has ended.

    ``kept`` says that the form which was sent is kept as a draft for whoever typed it.
    """

    kept = False


class NoChart(NoSession):
    """Somebody signed in, and it is not known which chart they may see; the text names the sentence that says why."""


def viewer(request: Request, services: Services) -> Viewer:
    """Who sent this request to a page of the chart. Raises NoSession when nobody is known by it."""
    session = session_of(request)
    if session is not None:
        return _of_session(services, session)
    if services.settings.auth == "open" and SID not in request.environ:
        return Viewer(ANYBODY, None, services.settings.default_connection)
    raise NoSession("Open the care plan from the patient's chart in your EHR.")


def typing(request: Request) -> tuple[str, str, str | None] | None:
    """Who was typing when their session ended: connection, actor, and the patient it was for, None for any.

    Good for keeping what they typed for them, and for nothing else; None where nobody is known by the request.
    """
    session = ended_session_of(request)
    if session is None:
        return None
    return session.connection, _named(session), session.patient or None


def _named(session: Session) -> str:
    return session.fhir_user or f"person {session.subject}"


def _of_session(services: Services, session: Session) -> Viewer:
    """The person whom the EHR named. Raises NoChart where it is not known which charts they may see."""
    connection = services.settings.connection(session.connection)
    if connection is None:
        raise NoChart("connection_gone")
    kind, _, id_ = session.fhir_user.partition("/")
    patient = session.patient or (id_ if kind == "Patient" else "")
    if session.body["ehr_patient"] and not session.patient:
        raise NoChart("patient_not_here")
    if not patient and kind not in _PROFESSIONALS:
        raise NoChart("no_patient_no_work")
    grant = Grant(
        client="fhirplan",
        # A professional's pages are held to one patient by ``Viewer.patient``; what these refer to is not.
        scopes=parse("user/*.cruds" if kind in _PROFESSIONALS else "patient/*.cruds"),
        issuer=str(session.body["iss"]),
        subject=session.subject,
        user=session.fhir_user,
        patient=patient,
        encounter=session.encounter,
        user_patient=id_ if kind == "Patient" else "",
        id=session.sid,
        expires=session.expires / 1000,
    )
    context = session.body["context"]
    return Viewer(
        Actor(_named(session), grant),
        patient or None,
        connection,
        str(context["smart_style_url"]),
        context["need_patient_banner"] is True,
    )


_PROFESSIONALS: Final = frozenset({"Practitioner", "PractitionerRole"})
