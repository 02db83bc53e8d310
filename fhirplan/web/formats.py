"""Decides in which format a body is read and an answer is written: JSON or XML (R4 section 3.1.0.1.11)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from fhirplan.interactions.outcomes import NotAcceptable, UnsupportedMediaType
from fhirplan.interactions.patch import JSON_PATCH

FHIR_JSON: Final = "application/fhir+json; charset=utf-8"
FHIR_XML: Final = "application/fhir+xml; charset=utf-8"
_JSON: Final = frozenset({"application/fhir+json", "application/json", "text/json", "json"})
_XML: Final = frozenset({"application/fhir+xml", "application/xml", "text/xml", "xml"})
_ANY: Final = frozenset({"*/*", "application/*"})
_VERSION: Final = "4.0"

Language = Literal["json", "xml"]


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is written: its language, indented for people or not, compressed or not."""

    language: Language = "json"
    pretty: bool = False
    gzip: bool = False


PLAIN: Final = Form()


@lru_cache(maxsize=256)
def readable(content_type: str, *, patch: bool = False) -> Language | None:
    """The language of a body of this Content-Type when it is FHIR in UTF-8, else None; ``patch`` takes JSON Patch."""
    media, parameters = _parts(content_type)
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8") or not _right_version(parameters):
        return None
    if media in _JSON or (patch and media == JSON_PATCH):
        return "json"
    return "xml" if media in _XML else None


def language_of(content_type: str, *, patch: bool = False) -> Language:
    """The language of a body; raises UnsupportedMediaType unless it can be read."""
    found = readable(content_type, patch=patch)
    if found is None:
        wanted = f"{JSON_PATCH}, or as Parameters in application/fhir+json" if patch else "application/fhir+json"
        raise UnsupportedMediaType(
            f"The body is sent as {content_type[:80] or 'nothing in particular'}. Send FHIR R4 in UTF-8, with the "
            f"header Content-Type: {wanted} or application/fhir+xml."
        )
    return found


@lru_cache(maxsize=256)
def writable(accept: str) -> Language | None:
    """The language that an Accept header likes best; the first of equals, None when it likes none of ours."""
    if not accept:
        return "json"
    best: tuple[float, Language] | None = None
    for item in accept.split(","):
        media, parameters = _parts(item)
        language: Language | None = "json" if media in _JSON or media in _ANY else "xml" if media in _XML else None
        quality = _quality(parameters.get("q", "1"))
        if language and quality > 0 and _right_version(parameters) and (best is None or quality > best[0]):
            best = quality, language
    return best[1] if best else None


def wanted(accept: str, format_: str | None) -> Language:
    """The language of the answer; ``_format`` goes before Accept. Raises NotAcceptable."""
    if format_ is None:
        found = writable(accept)
        if found is None:
            raise NotAcceptable(
                f"Accept is {accept[:80]!r}; application/fhir+json and application/fhir+xml (R4) are written here."
            )
        return found
    # In a query a plus is a blank, so that _format=application/fhir+json arrives as one.
    media = _parts(format_.replace(" ", "+"))[0]
    if media in _XML:
        return "xml"
    if media in _JSON:
        return "json"
    raise NotAcceptable(f"_format is {format_[:80]!r}; json and xml are written here.")


@lru_cache(maxsize=64)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110 section 12.5.3)."""
    for item in accept_encoding.split(","):
        coding, parameters = _parts(item)
        if coding in ("gzip", "x-gzip", "*"):
            return _quality(parameters.get("q", "1")) > 0
    return False


def _parts(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (item.partition("=") for item in rest)
    return media.strip().lower(), {key.strip().lower(): value.strip(' "').lower() for key, _, value in pairs}


def _right_version(parameters: dict[str, str]) -> bool:
    return parameters.get("fhirversion", _VERSION) == _VERSION


def _quality(text: str) -> float:
    """The weight of a choice; what is no number counts as none given."""
    try:
        return float(text)
    except ValueError:
        return 1.0
