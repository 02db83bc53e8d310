"""The interaction by which a page carries out what somebody does there, as the API would."""

from __future__ import annotations

from flask import request

from fhirplan.interactions.services import fhir_base
from fhirplan.interactions.values import Interaction, Kind, Parameters
from fhirplan.web.chart.frame import Frame
from fhirplan.web.chart.steps import hold_ms
from fhirplan.web.requests import known_id


def asked(
    made: Frame,
    kind: Kind,
    type_: str = "",
    id_: str = "",
    *,
    body: bytes = b"",
    parameters: Parameters = (),
    if_match: str = "",
    if_none_match: str = "",
) -> Interaction:
    """The interaction of whoever looks at the page; what it changes may wait to be taken back (``hold_ms``)."""
    connection = made.who.connection
    return Interaction(
        kind,
        fhir_base(made.services.settings, connection.name),
        connection.name,
        type_,
        id_,
        parameters=parameters,
        body=body,
        if_match=if_match,
        if_none_match=if_none_match,
        actor=made.who.actor,
        request_id=known_id(request.environ, made.services),
        address=request.environ.get("REMOTE_ADDR") or "",
        hold=hold_ms(connection),
    )
