"""Reads the forms that OAuth clients post, and answers them as OAuth has it (RFC 6749 section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Request, Response

from fhirplan.fhir import codec
from fhirplan.launch.refusals import OAuthRefused

FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 50
_MOST_BYTES: Final = 65_536


def fields(request: Request) -> dict[str, str]:
    """The fields of a posted form; raises OAuthRefused when it is none, or has one twice (RFC 6749 section 3.2)."""
    if request.mimetype != FORM:
        raise OAuthRefused("invalid_request", f"Send a form, {FORM}.")
    if (request.content_length or 0) > _MOST_BYTES:
        raise OAuthRefused("invalid_request", f"The form is larger than {_MOST_BYTES} bytes.")
    return once(request.get_data(cache=False)[: _MOST_BYTES + 1])


def once(text: bytes) -> dict[str, str]:
    """The fields of a query or form, each standing once; raises OAuthRefused."""
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise OAuthRefused("invalid_request", "The fields are not percent-encoded, or there are too many.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise OAuthRefused("invalid_request", "A field stands twice.")
    return {name: value for name, value in found.items() if value}


def json_answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer that nobody may keep (RFC 6749 section 5.1)."""
    made = Response(codec.dumps(dict(value)), status, content_type="application/json")
    made.headers["Cache-Control"] = "no-store"
    made.headers["Pragma"] = "no-cache"
    return made


def refused_answer(error: OAuthRefused) -> Response:
    """A refusal as a token endpoint says it (RFC 6749 section 5.2)."""
    made = json_answer({"error": error.error, "error_description": _ascii(error.text)}, error.status)
    if error.status == 401:
        told = ', error="invalid_token"' if error.error == "invalid_token" else ""
        made.headers["WWW-Authenticate"] = 'Basic realm="fhirplan"' if error.basic else f'Bearer realm="fhirplan"{told}'
    return made


def _ascii(text: str) -> str:
    """The text in the characters that error_description may have: no quote, no backslash, nothing beyond ASCII."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in text)
