"""Reads the entries of a transaction or batch as interactions, and names the entry when something is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl

from fhirplan.errors import FhirplanError, Issue, MalformedRequest, NotSupported, TooCostly
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import span
from fhirplan.interactions.address import address
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Kind

METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""In the order in which a server works through them (R4 section 3.2.0.11.2)."""


# A Bundle is answered in the form that its own request asks for.
_FORM: Final = ("_format", "_pretty")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place in the Bundle, its fullUrl ("" when it has none) and what it asks for."""

    index: int
    full_url: str
    method: str
    interaction: Interaction

    @property
    def place(self) -> str:
        """The FHIRPath of this entry."""
        return place(self.index)

    @property
    def identity(self) -> str:
        """What it writes to, as type/id; "" for an entry that reads, or whose id is not known before."""
        asked = self.interaction
        return f"{asked.type}/{asked.id}" if self.method in ("PUT", "PATCH", "DELETE") and asked.id else ""


def place(index: int) -> str:
    """The FHIRPath of an entry by its index, from 0."""
    return f"Bundle.entry[{index}]"


def listed(services: Services, bundle: Resource) -> list[Any]:
    """The entries as they came; raises MalformedRequest when it is no list, TooCostly when they are too many."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise MalformedRequest("Bundle.entry is no array.", expression="Bundle.entry")
    most = services.settings.max_bundle_entries
    if len(entries) > most:
        raise TooCostly(
            f"The Bundle has {len(entries)} entries; at most {most} are taken at once. Send it in parts.",
            expression="Bundle.entry",
        )
    return entries


def entry(asked: Interaction, index: int, item: Any) -> Entry:
    """The entry as an interaction of its own, with the actor and preferences of the request it came in.

    Raises, with the entry's place: MalformedRequest, NotSupported, MethodNotAllowed.
    """
    try:
        return _entry(asked, index, item)
    except FhirplanError as error:
        raise at_entry(error, index) from None


def _entry(asked: Interaction, index: int, item: Any) -> Entry:
    request = item.get("request") if isinstance(item, dict) else None
    if not isinstance(request, dict):
        raise MalformedRequest(
            f"Entry {index} has no request. Say what to do with it, such as "
            '"request": {"method": "PUT", "url": "CarePlan/p1"}.',
            expression=f"{place(index)}.request",
        )
    method = _text(request, "method", index)
    url = _text(request, "url", index)
    if method not in METHODS:
        raise NotSupported(
            f"Entry {index} asks for {method[:20] or 'no method'}; served in a Bundle are {', '.join(METHODS)}.",
            expression=f"{place(index)}.request.method",
        )
    path, _, query = url.removeprefix(f"{asked.base}/").removeprefix("/").partition("?")
    where = address(method, path)
    if where.kind in ("bundle", "openapi"):
        raise NotSupported(
            f"Entry {index} asks for {url[:80] or 'the base'}, which is not served inside a Bundle.",
            expression=f"{place(index)}.request.url",
        )
    return Entry(
        index,
        _text(item, "fullUrl", index),
        method,
        replace(
            asked,
            kind=where.kind,
            type=where.type,
            id=where.id,
            version=where.version,
            parameters=tuple(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in _FORM),
            body=_resource(item, method, where.kind, index),
            prefer="representation" if asked.prefer == "representation" else "minimal",
            if_match=_text(request, "ifMatch", index),
            if_none_match=_text(request, "ifNoneMatch", index),
            if_none_exist=_text(request, "ifNoneExist", index),
            if_modified_since=_moment(request, index),
        ),
    )


def _text(owner: dict[str, Any], name: str, index: int) -> str:
    value = owner.get(name, "")
    if isinstance(value, str):
        return value
    where = place(index) if name == "fullUrl" else f"{place(index)}.request"
    raise MalformedRequest(f"{name} of entry {index} is no string.", expression=f"{where}.{name}")


def _moment(request: dict[str, Any], index: int) -> int:
    """ifModifiedSince in ms since 1970, 0 when absent."""
    text = _text(request, "ifModifiedSince", index)
    found = span(text) if text else None
    if text and found is None:
        raise MalformedRequest(
            f"ifModifiedSince of entry {index} is no instant.", expression=f"{place(index)}.request.ifModifiedSince"
        )
    return found.low if found else 0


def _resource(item: dict[str, Any], method: str, kind: Kind, index: int) -> Resource | bytes:
    """What an entry brings; b"" where it brings nothing, as a search by POST does."""
    resource = item.get("resource")
    if method not in ("POST", "PUT", "PATCH"):
        return {}
    if resource is None and kind not in ("create", "update", "patch"):
        return b""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise MalformedRequest(
            f"Entry {index} has a {method} without a resource that says its resourceType.",
            expression=f"{place(index)}.resource",
        )
    return resource


def at_entry(error: FhirplanError, index: int) -> FhirplanError:
    """The same error, its issues' expressions counted from the Bundle."""
    error.issues = tuple(located(issue, index) for issue in error.issues)
    return error


def located(issue: Issue, index: int) -> Issue:
    """The issue with its expression counted from the Bundle: ``Task.status`` is ``Bundle.entry[3].resource.status``."""
    path, here = issue.expression, place(index)
    if path.startswith("Bundle.entry"):
        return issue
    if not path or path.startswith("http."):
        return replace(issue, expression=f"{here}.request" if path else here)
    root, dot, rest = path.partition(".")
    inside = f"{dot}{rest}" if root[:1].isupper() else f".{path}"
    return replace(issue, expression=f"{here}.resource{inside}")
