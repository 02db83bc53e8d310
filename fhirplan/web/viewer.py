"""Says who looks at a page of the chart: the person of a SMART session, or anybody where the server is open."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request

from fhirplan.access.decide import ANYBODY, Actor
from fhirplan.errors import NotAuthenticated
from fhirplan.interactions.services import Services
from fhirplan.settings import Connection


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
    """Nobody is known here: the page is to be opened from an EHR, or again after its session has ended."""


def viewer(request: Request, services: Services) -> Viewer:
    """Who sent this request to a page of the chart. Raises NoSession when nobody is known by it."""
    if services.settings.auth == "open":
        return Viewer(ANYBODY, None, services.settings.default_connection)
    raise NoSession("Open the care plan from the patient's chart in your EHR.")
