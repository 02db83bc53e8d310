"""What can go wrong: one tree of errors, each carrying the issues that a caller is told.

    FhirplanError(issues, retry_after)
    ├─ Refused     InvalidResource · InvalidSearch · NotFound · Gone · VersionMismatch · MultipleMatches
    │              · NotSupported · TooCostly
    ├─ Denied      NotAuthenticated · InvalidToken · NotPermitted
    ├─ EhrFailure  EhrUnavailable (retry) · EhrRejected (park) · EhrVersionMismatch (plan again)
    ├─ StoreFull    (nothing was stored; works again once there is room)
    └─ Misconfigured (start-up only)

Which HTTP status each becomes is decided in one place, ``interactions/outcomes.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

# What word processors and chats make of a quotation mark that was typed or pasted.
TYPOGRAPHIC_QUOTES: Final = "“”„‟‘’«»「」＂＇"  # noqa: RUF001 - these very characters

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding, as an OperationOutcome.issue will say it (R4 section 2.40, OperationOutcome).

    ``code`` is from http://hl7.org/fhir/issue-type. ``expression`` is a FHIRPath from the resource's root with
    indexes (``Task.input[2].type``), empty where no element is meant. ``rule`` is the key of the rule that was
    broken (``cm-tk-3``, ``cpl-3``), ``profile`` the canonical of the profile that holds it. ``line`` and ``column``
    count from 1 and are 0 where no text was given. ``patch`` is a JSON Patch that is certain to repair the finding.
    """

    severity: Severity
    code: str
    text: str
    expression: str = ""
    rule: str = ""
    profile: str = ""
    line: int = 0
    column: int = 0
    patch: tuple[dict[str, Any], ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether this finding makes a resource unacceptable."""
        return self.severity in ("fatal", "error")


class FhirplanError(Exception):
    """The root of all errors of this program; ``retry_after`` is in seconds."""

    code = "processing"

    def __init__(
        self, issues: str | Issue | Iterable[Issue], *, expression: str = "", retry_after: float | None = None
    ) -> None:
        if isinstance(issues, str):
            issues = (Issue("error", self.code, issues, expression),)
        elif isinstance(issues, Issue):
            issues = (issues,)
        self.issues: tuple[Issue, ...] = tuple(issues)
        self.retry_after = retry_after
        super().__init__("; ".join(f"{i.code} {i.rule or i.expression}".strip() for i in self.issues))

    @property
    def text(self) -> str:
        """The issues in plain words, for a terminal or a page; may quote the caller's input, so never log it."""
        return " ".join(issue.text for issue in self.issues)


class Refused(FhirplanError):
    """The request cannot be carried out as it stands; the caller can change it."""


class MalformedRequest(Refused):
    """The request itself cannot be read: broken JSON, a wrong content type, a header that makes no sense."""

    code = "invalid"


class MalformedToken(MalformedRequest):
    """The Authorization header cannot be read as one access token."""


class InvalidResource(Refused):
    """The resource breaks a rule; every finding is in ``issues``."""

    code = "invalid"


class InvalidSearch(Refused):
    """A search parameter, modifier, value or cursor is unknown or malformed."""

    code = "invalid"


class NotFound(Refused):
    """Nothing is stored under that type and id."""

    code = "not-found"


class Gone(Refused):
    """It was stored and has been deleted."""

    code = "deleted"


class VersionMismatch(Refused):
    """If-Match named a version that is no longer the current one."""

    code = "conflict"


class MultipleMatches(Refused):
    """A conditional request matched more than one resource."""

    code = "multiple-matches"


class NotSupported(Refused):
    """A type, interaction, operation or format that this server does not offer."""

    code = "not-supported"


class TooCostly(Refused):
    """A limit was passed: body size, depth, number of entries, number of values."""

    code = "too-costly"


class Denied(FhirplanError):
    """The caller may not do this."""


class NotAuthenticated(Denied):
    """Nobody is known to be calling."""

    code = "login"


class InvalidToken(NotAuthenticated):
    """An access token was given and is not accepted: forged, expired, revoked, for somebody else."""


class NotPermitted(Denied):
    """The caller is known and has no right to this; ``scope`` is the SMART scope that would give it, "" for none."""

    code = "forbidden"

    def __init__(self, issues: str | Issue | Iterable[Issue], *, expression: str = "", scope: str = "") -> None:
        super().__init__(issues, expression=expression)
        self.scope = scope


class EhrFailure(FhirplanError):
    """An EHR did not do what it was asked."""


class EhrUnavailable(EhrFailure):
    """No usable answer: down, slow, throttling, an HTML page, a 5xx. Try again later.

    ``outcome_unknown`` is true where the request may have taken effect, so a write must be settled by looking.
    """

    code = "transient"

    def __init__(
        self,
        issues: str | Issue | Iterable[Issue],
        *,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(issues, retry_after=retry_after)
        self.outcome_unknown = outcome_unknown


class EhrRejected(EhrFailure):
    """The EHR answered and refused; sending the same again will not help.

    ``status`` is its HTTP status, ``outcome`` its own OperationOutcome when it gave one.
    """

    code = "processing"

    def __init__(
        self, issues: str | Issue | Iterable[Issue], *, status: int, outcome: dict[str, Any] | None = None
    ) -> None:
        super().__init__(issues)
        self.status = status
        self.outcome = outcome


class EhrVersionMismatch(EhrFailure):
    """The EHR's copy changed since we last saw it; decide again from its current version."""

    code = "conflict"


class StoreFull(FhirplanError):
    """The disk under the database is full or fails; the transaction was undone and nothing of it is stored."""

    code = "no-store"


class Misconfigured(FhirplanError):
    """A setting is unknown or wrong; raised at start only."""

    code = "invalid"
