"""Turns a reply into an HTTP response."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask import Response
from werkzeug.http import http_date

from fhirplan.fhir.codec import loads, pretty
from fhirplan.interactions.values import Reply
from fhirplan.web.formats import FHIR_JSON
from fhirplan.web.headers import OPEN, SECURITY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers


_NO_BODY: Final = (204, 304)


class FhirResponse(Response):
    """A response that has all its headers, so that nothing needs to be added to it or looked at again."""

    default_mimetype = None

    def get_wsgi_headers(self, _environ: WSGIEnvironment) -> Headers:
        """The headers as they are; Werkzeug would copy them to look for what they do not have."""
        return self.headers


def fhir_response(reply: Reply, *, base: str, request_id: str, open_: bool, indented: bool = False) -> FhirResponse:
    """The response that says what a reply says (R4 section 3.1.0.1)."""
    body = pretty(loads(reply.body)).encode() if indented and reply.body else reply.body
    headers = [*SECURITY, ("X-Request-Id", request_id)]
    if reply.status not in _NO_BODY:
        headers.append(("Content-Type", FHIR_JSON))
        headers.append(("Content-Length", str(len(body))))
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
    return FhirResponse([body] if body else None, reply.status, headers)


def _of_refusal(reply: Reply) -> list[tuple[str, str]]:
    headers = []
    if reply.status == 401:
        headers.append(("WWW-Authenticate", 'Bearer realm="fhirplan"'))
    if reply.allow:
        headers.append(("Allow", ", ".join(reply.allow)))
    if reply.retry_after is not None:
        headers.append(("Retry-After", str(int(reply.retry_after))))
    return headers


@lru_cache(maxsize=4096)
def _date(seconds: int) -> str:
    return http_date(seconds)
