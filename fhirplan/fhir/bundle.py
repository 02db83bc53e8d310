"""Builds the JSON of Bundles from resources that are JSON already, so that stored bytes go out as they are.

R4 sections 2.36 (Bundle), 3.1.1.3 (search results), 3.2.0.11 (transaction responses), 3.2.0.8 (history).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fhirplan.fhir.codec import dumps

_MATCH: Final = b',"search":{"mode":"match"}}'
_INCLUDE: Final = b',"search":{"mode":"include"}}'


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a history: what was done, with the resource as it was then (b"" after a delete)."""

    full_url: str
    body: bytes
    method: str
    url: str
    status: str
    etag: str
    updated: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One entry of a transaction or batch response; ``updated`` is an instant, and empty strings are left out.

    ``outcome`` and ``body`` are JSON of a resource, or b"" for none.
    """

    status: str
    location: str = ""
    etag: str = ""
    updated: str = ""
    body: bytes = b""
    outcome: bytes = b""
    full_url: str = ""


def searchset(
    base: str,
    found: Iterable[tuple[str, str, bytes]],
    links: Sequence[tuple[str, str]],
    total: int | None = None,
    *,
    included: Iterable[tuple[str, str, bytes]] = (),
    outcome: bytes = b"",
) -> bytes:
    """A searchset Bundle of (type, id, resource JSON); ``links`` are (relation, url); ``total`` when it was counted.

    ``included`` come after what was found; ``outcome`` is the JSON of an OperationOutcome about the search itself.
    """
    prefix = b'{"fullUrl":' + dumps(f"{base}/")[:-1]
    entries = [
        b"%b%b%b%b" % (prefix, f'{type_}/{id_}","resource":'.encode(), body, mode)
        for listed, mode in ((found, _MATCH), (included, _INCLUDE))
        for type_, id_, body in listed
    ]
    if outcome:
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome)
    return _bundle(b"searchset", links, total, entries)


def history(steps: Iterable[Step], links: Sequence[tuple[str, str]], total: int | None) -> bytes:
    """A history Bundle, newest first; ``total`` counts all versions, not only those on this page."""
    return _bundle(b"history", links, total, [_step(item) for item in steps])


def _step(step: Step) -> bytes:
    resource = b',"resource":' + step.body if step.body else b""
    request = dumps({"method": step.method, "url": step.url})
    response = dumps({"status": step.status, "etag": step.etag, "lastModified": step.updated})
    return b'{"fullUrl":%b%b,"request":%b,"response":%b}' % (dumps(step.full_url), resource, request, response)


def responses(kind: str, answers: Iterable[Answer]) -> bytes:
    """A transaction-response or batch-response Bundle; ``kind`` is ``transaction`` or ``batch``."""
    return _bundle(kind.encode() + b"-response", (), None, [_answer(item) for item in answers])


def _answer(answer: Answer) -> bytes:
    named = {"location": answer.location, "etag": answer.etag, "lastModified": answer.updated}
    response = dumps({"status": answer.status, **{key: value for key, value in named.items() if value}})
    if answer.outcome:
        response = b'%b,"outcome":%b}' % (response[:-1], answer.outcome)
    parts = [b'"fullUrl":' + dumps(answer.full_url)] if answer.full_url and answer.body else []
    if answer.body:
        parts.append(b'"resource":' + answer.body)
    parts.append(b'"response":' + response)
    return b"{%b}" % b",".join(parts)


def _bundle(kind: bytes, links: Sequence[tuple[str, str]], total: int | None, entries: list[bytes]) -> bytes:
    """The Bundle; an array without items is left out, as FHIR JSON demands (R4 section 2.6.2)."""
    parts = [b'{"resourceType":"Bundle","type":"%b"' % kind]
    if total is not None:
        parts.append(b'"total":%d' % total)
    if links:
        parts.append(b'"link":' + dumps([{"relation": relation, "url": url} for relation, url in links]))
    if entries:
        parts.append(b'"entry":[%b]' % b",".join(entries))
    return b",".join(parts) + b"}"
