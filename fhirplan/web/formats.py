"""Decides in which format a body is read and an answer is written; only JSON for now (R4 section 3.1.0.1.11)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from fhirplan.interactions.outcomes import NotAcceptable, UnsupportedMediaType

FHIR_JSON: Final = "application/fhir+json; charset=utf-8"
_JSON: Final = frozenset({"application/fhir+json", "application/json", "text/json", "json"})
_ANY: Final = frozenset({"*/*", "application/*"})
_VERSION: Final = "4.0"


@lru_cache(maxsize=256)
def readable(content_type: str) -> bool:
    """Whether a body of this Content-Type is FHIR JSON in UTF-8."""
    media, parameters = _parts(content_type)
    return media in _JSON and parameters.get("charset", "utf-8") in ("utf-8", "utf8") and _right_version(parameters)


def require_readable(content_type: str) -> None:
    """Raises UnsupportedMediaType unless the body can be read."""
    if not readable(content_type):
        raise UnsupportedMediaType(
            f"The body is sent as {content_type[:80] or 'nothing in particular'}. Send FHIR R4 JSON in UTF-8, with the "
            "header Content-Type: application/fhir+json."
        )


@lru_cache(maxsize=256)
def writable(accept: str) -> bool:
    """Whether one of the formats in an Accept header is FHIR JSON."""
    if not accept:
        return True
    for item in accept.split(","):
        media, parameters = _parts(item)
        if (media in _JSON or media in _ANY) and _right_version(parameters) and _wanted(parameters):
            return True
    return False


def require_writable(accept: str, format_: str | None) -> None:
    """Raises NotAcceptable unless the answer may be JSON; ``_format`` goes before Accept."""
    # In a query a plus is a blank, so that _format=application/fhir+json arrives as one.
    if format_ is not None:
        if _parts(format_.replace(" ", "+"))[0] not in _JSON:
            raise NotAcceptable(f"_format is {format_[:80]!r}; only json is written here.")
    elif not writable(accept):
        raise NotAcceptable(f"Accept is {accept[:80]!r}; only application/fhir+json (R4) is written here.")


def _parts(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (item.partition("=") for item in rest)
    return media.strip().lower(), {key.strip().lower(): value.strip(' "').lower() for key, _, value in pairs}


def _right_version(parameters: dict[str, str]) -> bool:
    return parameters.get("fhirversion", _VERSION) == _VERSION


def _wanted(parameters: dict[str, str]) -> bool:
    return parameters.get("q", "1") not in ("0", "0.0", "0.00", "0.000")
