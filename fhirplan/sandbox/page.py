"""Writes Bundles of stored resources by joining their texts, and the links that lead from page to page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from fhirplan.errors import InvalidSearch
from fhirplan.fhir import codec
from fhirplan.sandbox import instants
from fhirplan.sandbox.calls import Pairs, etag
from fhirplan.sandbox.resources import Version


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: after the version ``last``, in the data as they were when ``snapshot`` was the newest.

    So whatever is written meanwhile, each resource that was a match comes exactly once, as it was.
    """

    snapshot: int
    last: int
    total: int | None

    def write(self) -> str:
        """As it stands in a link; opaque to clients."""
        packed = json.dumps([self.snapshot, self.last, self.total], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor of a link; raises InvalidSearch when it is none of ours."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            snapshot, last, total = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, TypeError, binascii.Error):
            raise _bad_cursor() from None
        if type(snapshot) is not int or type(last) is not int or (total is not None and type(total) is not int):
            raise _bad_cursor()
        if not all(0 <= number < 2**63 for number in (snapshot, last)):
            raise _bad_cursor()
        return cls(snapshot, last, total)


def _bad_cursor() -> InvalidSearch:
    return InvalidSearch("The page this link asks for is not known. Start again with the first page of the search.")


def link(relation: str, address: str, pairs: Pairs, cursor: Cursor | None = None) -> tuple[str, str]:
    """A Bundle.link as (relation, url): these parameters, and the page they lead to."""
    kept = [pair for pair in pairs if pair[0] != "_page"] if cursor else list(pairs)
    query = urlencode([*kept, ("_page", cursor.write())] if cursor else kept, safe=":,|/$*")
    return relation, f"{address}?{query}" if query else address


def bundle(
    kind: str, entries: Iterable[bytes], links: Iterable[tuple[str, str]] = (), total: int | None = None
) -> bytes:
    """The JSON of a Bundle whose entries are JSON texts already."""
    listed = [{"relation": relation, "url": url} for relation, url in links]
    head: dict[str, object] = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        head["total"] = total
    if listed:
        head["link"] = listed
    joined = b",".join(entries)
    text = codec.dumps(head)
    return b'%s,"entry":[%s]}' % (text[:-1], joined) if joined else text


def search_entry(quoted_base: bytes, version: Version, mode: bytes) -> bytes:
    """One resource found; ``quoted_base`` is the base URL as the inside of a JSON string, ``mode`` match or include."""
    return b'{"fullUrl":"%s/%s","resource":%s,"search":{"mode":"%s"}}' % (
        quoted_base,
        version.key.encode(),
        version.body or b"null",
        mode,
    )


def history_entry(quoted_base: bytes, version: Version) -> bytes:
    """One version in a history, with the request that made it (R4 section 3.1.0.12)."""
    key = version.key.encode()
    said = codec.dumps(
        {
            "request": {
                "method": version.method,
                "url": version.type if version.method == "POST" else version.key,
            },
            "response": {
                "status": str(version.status),
                "etag": etag(version),
                "lastModified": instants.text(version.updated),
            },
        }
    )
    resource = b'"resource":%s,' % version.body if version.body is not None else b""
    return b'{"fullUrl":"%s/%s",%s%s' % (quoted_base, key, resource, said[1:])


def quoted(base: str) -> bytes:
    """A base URL as the inside of a JSON string."""
    return codec.dumps(base)[1:-1]
