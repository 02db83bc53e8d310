"""The two values of this room: what is asked (Interaction) and what is answered (Reply)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fhirplan.access.decide import Actor
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.settings import DEFAULT_CONNECTION

Kind = Literal[
    "read",
    "vread",
    "create",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "history-system",
    "search-system",
    "search-compartment",
    "search-type",
    "capabilities",
    "bundle",
    "validate",
    "everything",
    "plan-everything",
    "as-of",
    "explain",
    "access-explain",
    "meta",
    "meta-add",
    "meta-delete",
    "break-glass",
    "apply",
    "extract",
    "subscription-status",
    "subscription-events",
    "audit-read",
    "audit-search",
    "definition-read",
    "definition-search",
    "openapi",
]
Prefer = Literal["", "minimal", "representation", "OperationOutcome"]
Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One FHIR interaction as asked (R4 section 3.1.0).

    ``base`` is the FHIR base URL of the connection, without a slash at its end. ``body`` is JSON as it came, or a
    resource that was parsed already (an entry of a Bundle). ``if_match``, ``if_none_match`` and ``if_none_exist`` are
    the headers of these names as they came, "" when absent, ``if_modified_since`` is that header in ms since 1970, 0
    when absent. ``lenient`` is Prefer: handling=lenient, by which a search passes over what it does not know.
    ``address`` is the caller's network address as far as it is known. ``authorization`` is the header of that name; it
    tells who the ``actor`` is where that is not known yet. ``ids_made`` says that the ids of what it creates were made
    here, so that whether they are taken tells its caller nothing. ``imported`` says that
    the operator brings in what another system has: the coordination rules then tell what they find and refuse nothing.
    ``hold`` is for how long, in ms, what is written is not sent to the EHR, so that its writer can take it back.
    """

    kind: Kind
    base: str
    connection: str = DEFAULT_CONNECTION
    type: str = ""
    id: str = ""
    version: str = ""
    parameters: Parameters = ()
    body: bytes | Resource = b""
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    prefer: Prefer = ""
    actor: Actor | None = None
    request_id: str = ""
    lenient: bool = False
    if_modified_since: int = 0
    address: str = ""
    authorization: str = field(default="", repr=False)
    imported: bool = False
    hold: int = 0
    ids_made: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to an interaction.

    ``body`` is JSON, or b"" for none. ``type``, ``id`` and ``version`` name the version that the answer is about
    (version 0: none), ``updated`` its time in ms since 1970. ``created`` asks for a Location. ``issues`` are findings
    that do not stop the write. ``allow`` lists methods for a 405, ``retry_after`` is in seconds, ``receipt`` says in a
    word what the EHR made of a write that was pushed at once, ``media`` is the type of a body that is no resource.
    ``challenge`` is what WWW-Authenticate says besides the realm (RFC 6750 section 3).
    """

    status: int
    body: bytes = b""
    type: str = ""
    id: str = ""
    version: int = 0
    updated: int = 0
    created: bool = False
    issues: tuple[Issue, ...] = ()
    allow: tuple[str, ...] = ()
    retry_after: float | None = None
    receipt: str = ""
    media: str = ""
    challenge: str = ""

    @property
    def etag(self) -> str:
        """The weak ETag of the version, or "" (R4 section 3.1.0.1.3)."""
        return f'W/"{self.version}"' if self.version else ""

    @property
    def location(self) -> str:
        """The version's place below the base, or ""."""
        return f"{self.type}/{self.id}/_history/{self.version}" if self.version else ""
