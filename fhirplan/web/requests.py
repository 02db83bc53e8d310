"""Reads an HTTP request as an interaction: address, query, conditions, preferences and body."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from fhirplan.access.decide import ANYBODY, Actor
from fhirplan.errors import MalformedRequest, TooCostly
from fhirplan.interactions.address import address
from fhirplan.interactions.outcomes import UnsupportedMediaType
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Parameters, Prefer
from fhirplan.web.formats import require_readable, require_writable

FORM: Final = "application/x-www-form-urlencoded"
_MOST_PARAMETERS: Final = 1000
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_KNOWN: Final = "fhirplan.request_id"
_RETURN: Final = re.compile(r"\breturn\s*=\s*\"?(minimal|representation|OperationOutcome)\b")
_BODIES: Final = frozenset({"create", "update", "bundle", "validate"})


def known_id(environ: dict[str, Any], services: Services) -> str:
    """The id of a request: the caller's X-Request-Id where it can be logged and sent back, else one made here."""
    known: str | None = environ.get(_KNOWN)
    if known is None:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        known = environ[_KNOWN] = given if _REQUEST_ID.fullmatch(given) else services.new_id()
    return known


def interaction(
    request: Request, rest: str, *, connection: str, base: str, open_: bool, request_id: str
) -> tuple[Interaction, bool]:
    """The interaction that a request below ``base`` asks for, and whether its answer is to be indented for people.

    Raises as ``address`` does, NotAcceptable, UnsupportedMediaType, MalformedRequest, TooCostly (the body's size).
    """
    environ = request.environ
    where = address(environ["REQUEST_METHOD"], rest)
    given = pairs(environ["QUERY_STRING"]) if environ.get("QUERY_STRING") else ()
    body = b""
    if where.kind in _BODIES:
        body = _read(request)
        if body or where.kind != "validate":
            require_readable(environ.get("CONTENT_TYPE", ""))
    elif environ["REQUEST_METHOD"] == "POST":
        given += _form(request)
    format_, pretty = None, False
    if given:
        format_ = next((value for name, value in given if name == "_format"), None)
        pretty = ("_pretty", "true") in given
        given = tuple(item for item in given if item[0] not in ("_format", "_pretty"))
    require_writable(environ.get("HTTP_ACCEPT", ""), format_)
    actor: Actor | None = ANYBODY if open_ else None
    asked = Interaction(
        where.kind,
        base,
        connection,
        where.type,
        where.id,
        where.version,
        given,
        body,
        environ.get("HTTP_IF_MATCH", ""),
        environ.get("HTTP_IF_NONE_MATCH", ""),
        environ.get("HTTP_IF_NONE_EXIST", ""),
        preference(environ.get("HTTP_PREFER", "")),
        actor,
        request_id,
    )
    return asked, pretty


def pairs(query: str) -> Parameters:
    """The names and values of a query string in their order; raises MalformedRequest, TooCostly."""
    try:
        if not query.isascii():
            # WSGI hands bytes over as Latin-1 (PEP 3333).
            query = query.encode("latin-1").decode("utf-8")
        found = (
            parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
            if "%" in query or "+" in query or query.count("&") >= _MOST_PARAMETERS
            else [_halves(item) for item in query.split("&") if item]
        )
    except UnicodeDecodeError:
        raise MalformedRequest("The query is not UTF-8. Percent-encode its values as UTF-8.") from None
    except ValueError:
        raise TooCostly(f"The query has more than {_MOST_PARAMETERS} parameters. Ask in parts.") from None
    return tuple(found)


def _halves(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


@lru_cache(maxsize=64)
def preference(prefer: str) -> Prefer:
    """What Prefer wants back after a write; "" when it does not say (R4 section 3.1.0.1.9)."""
    found = _RETURN.search(prefer) if prefer else None
    if found is None:
        return ""
    word = found[1]
    return "minimal" if word == "minimal" else "representation" if word == "representation" else "OperationOutcome"


def _read(request: Request) -> bytes:
    most = request.max_content_length or 0
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(most) from None
    # Werkzeug cuts a chunked body at the limit without a word.
    if len(body) == most and request.environ["wsgi.input"].read(1):
        raise _too_large(most)
    return body


def _too_large(most: int) -> TooCostly:
    return TooCostly(f"The body is larger than the {most} bytes that are taken at once. Send it in parts.")


def _form(request: Request) -> Parameters:
    media = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    body = _read(request)
    if media != FORM and body:
        raise UnsupportedMediaType(f"A search by POST is sent as {FORM}; this is {media[:80] or 'not said'}.")
    return pairs(body.decode("latin-1"))
