"""Reads the body of a request within its limits: its size, its compression, its language."""

from __future__ import annotations

import zlib
from typing import Any, Final

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from fhirplan.errors import MalformedRequest, TooCostly
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.xml import from_xml
from fhirplan.interactions.outcomes import UnsupportedMediaType
from fhirplan.web.formats import language_of

_GZIP: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 65536


def body_of(environ: dict[str, Any], most: int) -> bytes:
    """The body of a request, of at most so many bytes, decompressed when it was sent compressed.

    Raises TooCostly when it is larger than the limit, also once decompressed, MalformedRequest when it is no gzip,
    UnsupportedMediaType for another encoding.
    """
    body = _sent(environ, most)
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType(f"Content-Encoding is {encoding[:40]!r}; gzip and none are read here.")
    return _decompressed(body, most)


def as_json(body: bytes, content_type: str, *, patch: bool, max_depth: int, most: int) -> bytes:
    """The body as FHIR JSON; raises UnsupportedMediaType, and what ``from_xml`` raises for XML."""
    if language_of(content_type, patch=patch) == "json":
        return body
    if not body.strip():
        return b""
    return dumps(from_xml(body, max_depth=max_depth, max_bytes=most))


def _sent(environ: dict[str, Any], most: int) -> bytes:
    try:
        body = get_input_stream(environ, max_content_length=most).read()
    except RequestEntityTooLarge:
        raise _too_large(most) from None
    except ParseException:
        raise MalformedRequest("The body is said to come in chunks, and these are malformed (RFC 9112).") from None
    # Werkzeug cuts a chunked body at the limit without a word.
    if len(body) == most and environ["wsgi.input"].read(1):
        raise _too_large(most)
    return body


def _decompressed(body: bytes, most: int) -> bytes:
    """The content of one gzip or several in a row (RFC 1952 section 2.2), never much more than ``most``."""
    made = bytearray()
    while body:
        reader = zlib.decompressobj(_GZIP)
        try:
            while body and not reader.eof:
                made += reader.decompress(body, min(_PIECE, most + 1 - len(made)) or 1)
                if len(made) > most:
                    raise _too_large(most)
                body = reader.unconsumed_tail
            if not reader.eof:
                made += reader.flush()
        except zlib.error:
            raise MalformedRequest(
                "The body is said to be gzip and is not. Send it as it is, or compress it."
            ) from None
        if not reader.eof:
            raise MalformedRequest("The body is gzip that ends too early. Send all of it.")
        body = reader.unused_data
    return bytes(made)


def _too_large(most: int) -> TooCostly:
    return TooCostly(f"The body is larger than the {most} bytes that are taken at once. Send it in parts.")
