"""The only table from errors to answers: which HTTP status each error is, over HTTP and in a Bundle's entries alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from fhirplan.errors import (
    Denied,
    EhrFailure,
    EhrUnavailable,
    FhirplanError,
    Gone,
    InvalidResource,
    InvalidSearch,
    InvalidToken,
    Issue,
    MalformedRequest,
    MalformedToken,
    MultipleMatches,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotSupported,
    Refused,
    StoreFull,
    TooCostly,
    VersionMismatch,
)
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.outcome import outcome
from fhirplan.interactions.values import Reply


class MethodNotAllowed(NotSupported):
    """The address exists and does not take this HTTP method; ``allow`` lists those it takes."""

    def __init__(self, text: str, allow: tuple[str, ...]) -> None:
        super().__init__(text)
        self.allow = allow


class NotAcceptable(NotSupported):
    """The caller asked for a format that is not spoken here."""


class UnsupportedMediaType(NotSupported):
    """The caller sent a format that is not read here."""


class TooManyRequests(TooCostly):
    """One caller asks more often than it may."""

    code = "throttled"


class RequestTimeout(Refused):
    """A request did not arrive in the time that it may take."""

    code = "timeout"


class StaleVersion(VersionMismatch):
    """If-Match does not name the current version, which is ``current`` (0 when there is none)."""

    def __init__(self, issue: Issue, type_: str, id_: str, current: int) -> None:
        super().__init__(issue)
        self.type, self.id, self.current = type_, id_, current


# The first class that fits gives the status, so that a narrower class stands before a wider one.
# R4 sections 3.1.0.1 (status codes), 3.1.0.5 to 3.1.0.8.
STATUS: Final[tuple[tuple[type[FhirplanError], int], ...]] = (
    (MethodNotAllowed, 405),
    (NotAcceptable, 406),
    (RequestTimeout, 408),
    (TooManyRequests, 429),
    (UnsupportedMediaType, 415),
    (NotSupported, 404),
    (MalformedRequest, 400),
    (InvalidSearch, 400),
    (InvalidResource, 422),
    (NotFound, 404),
    (Gone, 410),
    (VersionMismatch, 412),
    (MultipleMatches, 412),
    (TooCostly, 413),
    (NotAuthenticated, 401),
    (Denied, 403),
    (Refused, 400),
    (EhrUnavailable, 503),
    (EhrFailure, 502),
    (StoreFull, 507),
)


def status(error: FhirplanError) -> int:
    """The HTTP status of an error; 500 for one that no caller can do anything about."""
    return next((number for kind, number in STATUS if isinstance(error, kind)), 500)


def refusal(error: FhirplanError) -> Reply:
    """The answer to an interaction that ended with this error: its status and its OperationOutcome."""
    stale = error if isinstance(error, StaleVersion) else None
    return Reply(
        status(error),
        said(error.issues),
        type=stale.type if stale else "",
        id=stale.id if stale else "",
        version=stale.current if stale else 0,
        issues=error.issues,
        allow=error.allow if isinstance(error, MethodNotAllowed) else (),
        retry_after=None if error.retry_after is None else math.ceil(error.retry_after),
        challenge=_challenge(error),
    )


def _challenge(error: FhirplanError) -> str:
    """What RFC 6750 section 3.1 calls the error; nothing where no token was sent."""
    if isinstance(error, InvalidToken):
        return 'error="invalid_token"'
    if isinstance(error, MalformedToken):
        return 'error="invalid_request"'
    if isinstance(error, NotPermitted) and error.scope:
        return f'error="insufficient_scope", scope="{error.scope}"'
    return ""


def said(issues: Iterable[Issue]) -> bytes:
    """The JSON of the OperationOutcome of these findings."""
    return dumps(outcome(issues))


def failure(request_id: str) -> Reply:
    """The answer when something broke that is ours to mend; it tells the id under which the log has it."""
    return Reply(
        500,
        said(
            [
                Issue(
                    "fatal",
                    "exception",
                    "Something went wrong here, and it is not your doing. Nothing was changed by this request unless a "
                    f"read shows so. Report the request id {request_id}; the log has the place under that id.",
                )
            ]
        ),
    )
