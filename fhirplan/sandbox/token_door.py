"""Answers token requests over HTTP at the address that the persona gives (RFC 6749 section 5)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import flask

from fhirplan.fhir import codec
from fhirplan.sandbox.authorize import Gate, TokenDenied
from fhirplan.sandbox.calls import Reply
from fhirplan.sandbox.desk import Desk
from fhirplan.sandbox.faults import Faults, Occasion
from fhirplan.sandbox.misfortune import Scene, Stage, play
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.server import LOST

_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}


def token_url(persona: Persona) -> str:
    """Where tokens are asked for, at the host that was called."""
    return flask.request.host_url.rstrip("/") + persona.tokens_at


def token_door(stage: Stage, gate: Gate | None, faults: Faults, desk: Desk | None = None) -> flask.Blueprint:
    """The token endpoint; a fault's pattern names it by its path, as ``POST auth/token``."""
    endpoint = flask.Blueprint("token", __name__)
    path = stage.persona.tokens_at

    @endpoint.post(path)
    def token() -> flask.Response:
        occasion = Occasion("POST", path.lstrip("/"))
        reply = play(faults, stage, Scene(occasion, lambda: _answer(gate, desk, token_url(stage.persona)), list))
        flask.request.environ[LOST] = reply.lost
        return flask.Response(reply.body, reply.status, {"Content-Type": "application/json", **reply.headers})

    return endpoint


def _answer(gate: Gate | None, desk: Desk | None, address: str) -> Reply:
    try:
        return Reply(200, codec.dumps(_given(gate, desk, address)), _HEADERS)
    except TokenDenied as error:
        said = {"error": error.error, "error_description": error.text}
        return Reply(error.status, codec.dumps(said), _HEADERS)


def _given(gate: Gate | None, desk: Desk | None, address: str) -> dict[str, Any]:
    fields = _fields()
    if desk is not None and dict(fields).get("grant_type") in ("authorization_code", "refresh_token"):
        authorization = flask.request.headers.get("Authorization", "")
        return desk.token(dict(fields), authorization, flask.request.host_url.rstrip("/"), address)
    if gate is None:
        raise TokenDenied("unsupported_grant_type", "Systems need no token here.")
    return gate.token(fields, address)


def _fields() -> tuple[tuple[str, str], ...]:
    if flask.request.mimetype != _FORM:
        raise TokenDenied("invalid_request", f"A token is asked for with a form, {_FORM}.")
    try:
        return tuple(parse_qsl(flask.request.get_data().decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise TokenDenied("invalid_request", "The form is not percent-encoded, or has too many fields.") from None
