"""What the sandbox EHR is asked and what it answers, free of any web framework."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from fhirplan.errors import Issue, MalformedRequest
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.codec import Json, Resource
from fhirplan.sandbox import instants
from fhirplan.sandbox.resources import Version

Pairs = tuple[tuple[str, str], ...]
Lost = Literal["", "reply", "rest"]

_ETAG: Final = re.compile(r'(?:W/)?"(?P<quoted>[^"]*)"|(?P<bare>[^\s",]+)')


@dataclass(frozen=True, slots=True)
class Call:
    """One interaction as asked for: ``path`` is relative to ``base`` and without a slash at its start or end.

    ``pairs`` are the search parameters in the order given, ``operations`` the body of a JSON Patch. The header fields
    are "" where none was sent.
    """

    method: str
    path: str
    base: str
    pairs: Pairs = ()
    resource: Resource | None = None
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    prefer: str = ""
    operations: Json = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which interaction of http://hl7.org/fhir/restful-interaction a request is for, and on what.

    ``type`` is "" for the whole server and ``id`` for a whole type; ``interaction`` is "" where there is none.
    """

    interaction: str
    type: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: HTTP status, body (JSON text, empty for none), and headers beyond the content type.

    ``version`` is the one that was shown or made, where the answer is about one. ``lost`` says what of the answer never
    arrives: all of it ("reply"), or the second half of its body ("rest").
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    version: Version | None = None
    lost: Lost = ""


def asked(method: str, path: str) -> Asked:
    """What a method on a path relative to the FHIR base asks for."""
    match path.split("/"):
        case [""]:
            return Asked("batch" if method == "POST" else "")
        case ["_history"]:
            return Asked("history-system" if method == "GET" else "")
        case [type_]:
            return Asked({"GET": "search-type", "POST": "create", "PUT": "update"}.get(method, ""), type_)
        case [type_, "_history"]:
            return Asked("history-type" if method == "GET" else "", type_)
        case [type_, "_search"]:
            return Asked("search-type" if method == "POST" else "", type_)
        case [type_, id_]:
            return Asked(_ON_INSTANCE.get(method, ""), type_, id_)
        case [type_, id_, "_history"]:
            return Asked("history-instance" if method == "GET" else "", type_, id_)
        case [type_, id_, "_history", _]:
            return Asked("vread" if method == "GET" else "", type_, id_)
    return Asked("")


_ON_INSTANCE: Final = {"GET": "read", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}


def version_reply(call: Call, status: int, version: Version, *, location: bool = False) -> Reply:
    """The answer that shows one version, with its ETag and date, and its address where it was just made."""
    headers = {"ETag": etag(version), "Last-Modified": instants.http_date(version.updated)}
    if location:
        headers["Location"] = f"{call.base}/{version.key}/_history/{version.number}"
    return Reply(status, version.body or b"", headers, version)


def written_reply(call: Call, status: int, version: Version) -> Reply:
    """The answer to a write: with the resource, or what the caller's Prefer header wants (R4 section 3.1.0.1.7)."""
    shown = version_reply(call, status, version, location=True)
    if "return=minimal" in call.prefer:
        return Reply(status, b"", shown.headers, version)
    if "return=OperationOutcome" in call.prefer:
        said = f"{version.key} is stored as version {version.number}."
        told = outcome.outcome([Issue("information", "informational", said)])
        return Reply(status, codec.dumps(told), shown.headers, version)
    return shown


def etag(version: Version) -> str:
    """A version as an HTTP entity tag (R4 section 3.1.0.1.3)."""
    return f'W/"{version.number}"'


def tags(header: str, name: str) -> tuple[str, ...]:
    """The versions that If-Match or If-None-Match names; ``*`` is one of them. Raises MalformedRequest."""
    found = []
    for item in header.split(","):
        tag = _ETAG.fullmatch(item.strip())
        if not tag:
            raise MalformedRequest(f'The header {name} is {header[:80]!r}. It names a version, as W/"3".')
        found.append(tag["quoted"] if tag["quoted"] is not None else tag["bare"])
    return tuple(found)
