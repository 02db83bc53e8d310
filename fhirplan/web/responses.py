"""Turns a reply into an HTTP response."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask import Response
from werkzeug.http import http_date

from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import loads, pretty
from fhirplan.fhir.outcome import outcome
from fhirplan.fhir.xml import to_xml
from fhirplan.interactions.outcomes import NotAcceptable, refusal
from fhirplan.interactions.values import Reply
from fhirplan.web.formats import FHIR_JSON, FHIR_XML, PLAIN, Form
from fhirplan.web.headers import OPEN, SECURITY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers


_NO_BODY: Final = (204, 304)
_ANY_DEPTH: Final = 10_000
# Below this many bytes an answer fits into one packet anyway.
_WORTH: Final = 1024
# JSON of resources is a fifth of its size at level 1 already; higher levels cost three times the time for a tenth less.
_LEVEL: Final = 1


Rendered = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body of an answer."""


class FhirResponse(Response):
    """A response that has all its headers, so that nothing needs to be added to it or looked at again."""

    default_mimetype = None

    def get_wsgi_headers(self, _environ: WSGIEnvironment) -> Headers:
        """The headers as they are; Werkzeug would copy them to look for what they do not have."""
        return self.headers


def fhir_response(
    reply: Reply, *, base: str, request_id: str, open_: bool, form: Form = PLAIN, reading: bool = True
) -> FhirResponse:
    """The response that says what a reply says, as ``rendered`` gives it."""
    status, headers, body = rendered(reply, base=base, request_id=request_id, open_=open_, form=form, reading=reading)
    return FhirResponse([body] if body else None, status, headers)


def rendered(
    reply: Reply, *, base: str, request_id: str, open_: bool, form: Form = PLAIN, reading: bool = True
) -> Rendered:
    """Status, headers and body of what a reply says (R4 section 3.1.0.1).

    What XML cannot say exactly becomes a 406 when ``reading``. After a write, which stands, its status is kept and an
    OperationOutcome says that the resource cannot be shown.
    """
    body, media, compressed = reply.body, FHIR_JSON, False
    if body and form is not PLAIN:
        if form.language == "xml":
            reply, body, media = _in_xml(reply, form, reading=reading)
        elif form.pretty:
            body = pretty(loads(body, max_depth=_ANY_DEPTH)).encode()
        if form.gzip:
            body, compressed = _gzipped(body)
    headers = [*SECURITY, ("X-Request-Id", request_id)]
    if reply.status not in _NO_BODY:
        headers.append(("Content-Type", reply.media or media))
        headers.append(("Content-Length", str(len(body))))
    if compressed:
        headers.append(("Content-Encoding", "gzip"))
        headers.append(("Vary", "Accept-Encoding"))
    if open_:
        headers.append(OPEN)
    if reply.version:
        headers.append(("ETag", reply.etag))
        if reply.updated:
            headers.append(("Last-Modified", _date(reply.updated // 1000)))
        if reply.created:
            headers.append(("Location", f"{base}/{reply.location}"))
    if reply.status >= 400:
        headers.extend(_of_refusal(reply))
    if reply.receipt:
        headers.append(("X-Fhirplan-Receipt", reply.receipt))
    return reply.status, headers, body


def _in_xml(reply: Reply, form: Form, *, reading: bool) -> tuple[Reply, bytes, str]:
    """The reply, its body in XML and its media type; a body that is no FHIR stays as it is."""
    if reply.media:
        return reply, reply.body, FHIR_XML
    try:
        return reply, to_xml(loads(reply.body, max_depth=_ANY_DEPTH), pretty=form.pretty), FHIR_XML
    except InvalidResource as error:
        if reply.status < 400 and reading:
            reply = replace(refusal(NotAcceptable(replace(item, code="not-supported") for item in error.issues)))
            told = loads(reply.body)
        elif reply.status < 400:
            told = outcome(replace(item, severity="warning", code="not-supported") for item in error.issues)
        else:
            # The refusal quotes what the caller sent, and XML cannot repeat that.
            return reply, reply.body, FHIR_JSON
        return reply, to_xml(told, pretty=form.pretty), FHIR_XML


def _gzipped(body: bytes) -> tuple[bytes, bool]:
    """The body compressed where that pays, and whether it is."""
    if len(body) < _WORTH:
        return body, False
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    made = packer.compress(body) + packer.flush()
    return (made, True) if len(made) < 0.9 * len(body) else (body, False)


def _of_refusal(reply: Reply) -> list[tuple[str, str]]:
    headers = []
    if reply.status == 401 or reply.challenge:
        said = ", ".join(part for part in ('Bearer realm="fhirplan"', reply.challenge) if part)
        headers.append(("WWW-Authenticate", said))
    if reply.allow:
        headers.append(("Allow", ", ".join(reply.allow)))
    if reply.retry_after is not None:
        headers.append(("Retry-After", str(int(reply.retry_after))))
    return headers


@lru_cache(maxsize=4096)
def _date(seconds: int) -> str:
    return http_date(seconds)
