"""Reads an HTTP request as an interaction: address, query, conditions, preferences and body."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.http import parse_date

from fhirplan.access.decide import ANYBODY, Actor
from fhirplan.errors import FhirplanError, MalformedRequest, TooCostly
from fhirplan.fhir.dates import milliseconds
from fhirplan.interactions.address import address
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.outcomes import UnsupportedMediaType
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Parameters, Prefer
from fhirplan.web.bodies import as_json
from fhirplan.web.formats import PLAIN, Form, takes_gzip, wanted

FORM: Final = "application/x-www-form-urlencoded"
_MOST_PARAMETERS: Final = 1000
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_KNOWN: Final = "fhirplan.request_id"
_RETURN: Final = re.compile(r"\breturn\s*=\s*\"?(minimal|representation|OperationOutcome)\b")
_LENIENT: Final = re.compile(r"\bhandling\s*=\s*\"?lenient\b")
_NEED_BODY: Final = frozenset({"create", "update", "patch", "bundle"})
# What explains a search takes the parameters of the search, in the same forms.
_BODIES: Final = _NEED_BODY | (set(OPERATIONS) - {"explain"})


def known_id(environ: dict[str, Any], services: Services) -> str:
    """The id of a request: the caller's X-Request-Id where it can be logged and sent back, else one made here."""
    known: str | None = environ.get(_KNOWN)
    if known is None:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        known = environ[_KNOWN] = given if _REQUEST_ID.fullmatch(given) else services.new_id()
    return known


def interaction(
    environ: dict[str, Any],
    rest: str,
    services: Services,
    *,
    connection: str,
    base: str,
    open_: bool,
    request_id: str,
    body_of: Callable[[], bytes] = bytes,
) -> tuple[Interaction, Form]:
    """The interaction that a request below ``base`` asks for, and the form that its answer is to have.

    ``body_of`` reads the body, which is done only where one means something.

    Raises as ``address`` does, NotAcceptable, UnsupportedMediaType, MalformedRequest, TooCostly (the body's size), and
    InvalidResource for XML that is none of R4.
    """
    method = environ["REQUEST_METHOD"]
    where = address(method, rest)
    given = pairs(environ["QUERY_STRING"]) if environ.get("QUERY_STRING") else ()
    body = b""
    if where.kind in _BODIES:
        body = _body(environ, body_of(), services, where.kind)
    elif method == "POST":
        given += _form(environ, body_of())
    form = _form_of(environ, given)
    if form.pretty or given:
        given = tuple(item for item in given if item[0] not in ("_format", "_pretty"))
    actor: Actor | None = ANYBODY if open_ else None
    prefer = environ.get("HTTP_PREFER", "")
    since = environ.get("HTTP_IF_MODIFIED_SINCE", "")
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
        preference(prefer),
        actor,
        request_id,
        bool(prefer) and _LENIENT.search(prefer) is not None,
        _moment(since) if since else 0,
        environ.get("REMOTE_ADDR") or "",
        "" if open_ else environ.get("HTTP_AUTHORIZATION", ""),
    )
    return asked, form


def form_for_refusal(environ: dict[str, Any]) -> Form:
    """The form that the answer to a request that cannot be read had best have; JSON when it asks for none of ours."""
    try:
        return _form_of(environ, pairs(environ.get("QUERY_STRING", "")))
    except FhirplanError:
        return PLAIN


def _form_of(environ: dict[str, Any], given: Parameters) -> Form:
    format_, pretty = None, False
    if given:
        format_ = next((value for name, value in given if name == "_format"), None)
        pretty = ("_pretty", "true") in given
    language = wanted(environ.get("HTTP_ACCEPT", ""), format_)
    encoding = environ.get("HTTP_ACCEPT_ENCODING", "")
    gzip = bool(encoding) and takes_gzip(encoding)
    return Form(language, pretty, gzip) if pretty or gzip or language != "json" else PLAIN


def _body(environ: dict[str, Any], body: bytes, services: Services, kind: str) -> bytes:
    if not body and kind not in _NEED_BODY:
        return body
    settings = services.settings
    return as_json(
        body,
        environ.get("CONTENT_TYPE", ""),
        patch=kind == "patch",
        max_depth=settings.max_depth,
        most=settings.max_body_bytes,
    )


@lru_cache(maxsize=256)
def _moment(text: str) -> int:
    """An HTTP date in ms since 1970; 0 for what is none, which RFC 9110 section 13.1.3 has ignored."""
    found = parse_date(text)
    return milliseconds(found) if found else 0


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


def _form(environ: dict[str, Any], body: bytes) -> Parameters:
    media = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media != FORM and body:
        raise UnsupportedMediaType(f"A search by POST is sent as {FORM}; this is {media[:80] or 'not said'}.")
    return pairs(body.decode("latin-1"))
