"""Maps what the sandbox refuses to an HTTP status; the only such table here (R4 section 3.1.0.1.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fhirplan.errors import (
    FhirplanError,
    Gone,
    InvalidResource,
    InvalidSearch,
    Issue,
    MalformedRequest,
    MultipleMatches,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotSupported,
    Refused,
    TooCostly,
    VersionMismatch,
)
from fhirplan.fhir import outcome
from fhirplan.fhir.codec import Resource


class WrongMethod(NotSupported):
    """The address exists and does not take this HTTP method; ``allowed`` are those it takes."""

    def __init__(self, text: str, allowed: tuple[str, ...]) -> None:
        super().__init__(text)
        self.allowed = allowed


class NotAcceptable(NotSupported):
    """The caller wants a format that is not offered."""


class UnsupportedMedia(NotSupported):
    """The body is in a format that is not read."""


class IdInUse(Refused):
    """A conditional update would create a resource under an id that another one holds."""

    code = "duplicate"


class StaleVersion(VersionMismatch):
    """If-Match named an older version, at an EHR that answers so with 409."""


class VendorRefused(Refused):
    """A refusal that an EHR gives a code of its own: ``coding`` as (system, code), ("", "") for none."""

    def __init__(
        self, text: str, *, coding: tuple[str, str] = ("", ""), code: str = "invalid", status: int = 400
    ) -> None:
        super().__init__(Issue("fatal", code, text))
        self.coding = coding
        self.status = status


class TokenRefused(NotAuthenticated):
    """No token was sent, or one that does not stand; ``challenge`` is the header WWW-Authenticate (RFC 6750)."""

    def __init__(self, text: str, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class ScopeRefused(NotPermitted):
    """The token stands and does not allow this; ``challenge`` is the header WWW-Authenticate (RFC 6750)."""

    def __init__(self, text: str, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class EntryRefused(Refused):
    """An entry of a transaction was refused, so nothing was changed; ``status`` is what it alone would have got."""

    def __init__(self, index: int, label: str, error: FhirplanError) -> None:
        super().__init__(_named(index, label, error.issues))
        self.status = status_of(error)


def _named(index: int, label: str, issues: Iterable[Issue]) -> list[Issue]:
    return [
        Issue(
            issue.severity,
            issue.code,
            f"Bundle.entry[{index}] ({label}): {issue.text}",
            _place(index, issue.expression),
        )
        for issue in issues
    ]


def _place(index: int, expression: str) -> str:
    """Where in the Bundle: ``entry.request`` is the entry's own element, anything else is in its resource."""
    root, _, rest = expression.partition(".")
    if not expression:
        return f"Bundle.entry[{index}]"
    return f"Bundle.entry[{index}].{rest}" if root == "entry" else f"Bundle.entry[{index}].resource.{rest or root}"


_STATUS: Final[tuple[tuple[type[FhirplanError], int], ...]] = (
    (WrongMethod, 405),
    (NotAcceptable, 406),
    (UnsupportedMedia, 415),
    (NotSupported, 404),
    (MalformedRequest, 400),
    (InvalidSearch, 400),
    (InvalidResource, 422),
    (NotFound, 404),
    (Gone, 410),
    (StaleVersion, 409),
    (VersionMismatch, 412),
    (MultipleMatches, 412),
    (IdInUse, 409),
    (TooCostly, 413),
    (NotAuthenticated, 401),
    (NotPermitted, 403),
)


def told(error: FhirplanError) -> Resource:
    """The OperationOutcome of a refusal, with the EHR's own code where it has one."""
    made = outcome.outcome(error.issues)
    if isinstance(error, VendorRefused) and error.coding[1]:
        for issue in made["issue"]:
            coded(issue, *error.coding)
    return made


def coded(issue: dict[str, Any], system: str, code: str) -> None:
    """Puts an EHR's own code into an OperationOutcome.issue."""
    issue["details"] = {"coding": [{"system": system, "code": code}], **issue.get("details", {})}


def status_of(error: FhirplanError) -> int:
    """The HTTP status of a refusal; 500 for an error that is none."""
    if isinstance(error, EntryRefused | VendorRefused):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
