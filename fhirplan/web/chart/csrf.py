"""Makes sure that a form of the chart was sent by one of our own pages (cross-site request forgery).

A random value stands in a cookie that no script and no other site can read, and, masked anew on each page so that a
compressed page does not betray it, in every form. Both must agree, and the browser must not say that another site sent
the form.
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request

from fhirplan.errors import NotPermitted
from fhirplan.web.sessions import SID

COOKIE: Final = "fhirplan_form"
FIELD: Final = "csrf"
_BYTES: Final = 16


class NotSent(NotPermitted):
    """A form that none of our own pages sent."""


def token(asked: Request) -> str:
    """The value for the forms of this answer: the cookie's, masked."""
    mask = secrets.token_bytes(_BYTES)
    return mask.hex() + _xor(mask, _own(asked)).hex()


def _own(asked: Request) -> bytes:
    known = _of_cookie(asked)
    if known is None:
        known = g.get("form_key") or secrets.token_bytes(_BYTES)
        g.form_key = known
    return known


def _of_cookie(asked: Request) -> bytes | None:
    text = asked.cookies.get(COOKIE, "")
    try:
        read = bytes.fromhex(text)
    except ValueError:
        return None
    return read if len(read) == _BYTES else None


def check(asked: Request) -> None:
    """Raises NotPermitted unless one of our own pages sent this form."""
    known, given = _of_cookie(asked), asked.form.get(FIELD, "")
    try:
        sent = bytes.fromhex(given)
    except ValueError:
        sent = b""
    is_ours = (
        known is not None
        and len(sent) == 2 * _BYTES
        and secrets.compare_digest(_xor(sent[:_BYTES], sent[_BYTES:]), known)
    )
    if not is_ours or not _same_site(asked):
        raise NotSent("This form was not sent from a page of this server, or its page is too old. Open the page again.")


def _same_site(asked: Request) -> bool:
    if asked.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = asked.headers.get("Origin", "")
    return not origin or origin == "null" or urlsplit(origin).netloc == asked.host


def add_cookie(app: Flask) -> None:
    """Sets the cookie with the first page that has a form.

    In a frame of an EHR's page it has to be sent along with requests that began on another site, which browsers allow
    over HTTPS only.
    """

    @app.after_request
    def keep(response: Response) -> Response:
        made: bytes | None = g.get("form_key")
        if made is not None:
            # A session has cookies that are for HTTPS only, so it is there even where a proxy ends it before us.
            secure = request.is_secure or SID in request.environ
            response.set_cookie(
                COOKIE,
                made.hex(),
                httponly=True,
                secure=secure,
                samesite="None" if secure else "Lax",
                partitioned=secure,
                path="/chart",
            )
        return response


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
