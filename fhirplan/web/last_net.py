"""Answers every error that nobody else caught with an OperationOutcome, and logs what it was without what it quoted."""

from __future__ import annotations

import traceback
from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from fhirplan.errors import FhirplanError, Issue, Misconfigured
from fhirplan.interactions.outcomes import failure, refusal, said
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Reply
from fhirplan.telemetry import log
from fhirplan.web.fhir_api import base_urls
from fhirplan.web.requests import known_id
from fhirplan.web.responses import fhir_response

_log: Final = log("web")


def add_last_net(app: Flask, services: Services, *, open_: bool) -> None:
    """Answers every error that got this far with an OperationOutcome and the request's id, never with a traceback."""
    base = base_urls(services)["default"]

    def respond(reply: Reply) -> Response:
        return fhir_response(reply, base=base, request_id=known_id(request.environ, services), open_=open_)

    @app.errorhandler(FhirplanError)
    def refused(error: FhirplanError) -> Response:
        return respond(refusal(error))

    @app.errorhandler(Misconfigured)
    def unready(error: Misconfigured) -> Response:
        _log.error("misconfigured", request_id=known_id(request.environ, services), reason=error.text)
        text = "This server is not ready for work. Its operator finds the reason in the log and at /readyz."
        return respond(Reply(503, said([Issue("fatal", "transient", text)]), retry_after=30))

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        code = {404: "not-found", 405: "not-supported", 413: "too-costly"}.get(error.code or 500, "processing")
        text = f"{error.name}. The FHIR API is at /fhir, and /fhir/metadata says what it offers."
        allow = tuple(getattr(error, "valid_methods", None) or ())
        return respond(Reply(error.code or 500, said([Issue("error", code, text)]), allow=allow))

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        known = known_id(request.environ, services)
        _log.error("unexpected", request_id=known, error=_kinds(error), frames=_frames(error))
        return respond(failure(known))


def _kinds(error: BaseException) -> list[str]:
    """The types of the error and of those behind it; their messages may quote a patient's data and stay out."""
    kinds: list[str] = []
    behind: BaseException | None = error
    while behind is not None and len(kinds) < 5:
        kinds.append(type(behind).__qualname__)
        behind = behind.__cause__ or behind.__context__
    return kinds


def _frames(error: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
