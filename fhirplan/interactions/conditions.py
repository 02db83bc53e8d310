"""Reads and applies the conditions of a request: If-Match and If-None-Match (R4 sections 3.1.0.1.3 and 3.1.0.5)."""

from __future__ import annotations

import re
from typing import Final

from fhirplan.errors import Issue, MalformedRequest
from fhirplan.interactions.outcomes import StaleVersion
from fhirplan.interactions.values import Interaction
from fhirplan.store.versions import Version

_ETAG: Final = re.compile(r'\s*(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?\s*')
RULE: Final = "cm-x-30"


def named_versions(header: str, name: str) -> frozenset[str]:
    """The versions that an If-Match or If-None-Match header lists; ``*`` stands for itself.

    ``W/"3"`` is what FHIR asks for; ``"3"`` and ``3`` mean the same. Raises MalformedRequest.
    """
    if header.strip() == "*":
        return frozenset("*")
    found = [_ETAG.fullmatch(item) for item in header.split(",")]
    if not all(found):
        raise MalformedRequest(
            f'{name} is {header[:80]!r}, which is no ETag. Send the ETag of the version that you read, such as W/"3".'
        )
    return frozenset(item[1] for item in found if item)


def required(asked: Interaction, before: Version | None) -> int | None:
    """The version that must be current for a write to happen, or None when the request does not say.

    ``before`` is what is stored under its address. Raises StaleVersion, naming the current version, when If-Match
    names another one or If-None-Match says ``*`` and there is one; MalformedRequest.
    """
    live = before if before is not None and not before.deleted else None
    name = f"{asked.type}/{asked.id}"
    if asked.if_none_match.strip() == "*" and live is not None:
        raise _stale(asked, live.version, f"If-None-Match says that there must be no {name}, but there is one.")
    if not asked.if_match:
        return None
    named = named_versions(asked.if_match, "If-Match")
    if live is None:
        now = f"{name} has been deleted" if before else f"there is no {name}"
        raise _stale(asked, 0, f"If-Match asks for a version of it, but {now}. Send it without If-Match to make it.")
    if named != {"*"} and str(live.version) not in named:
        raise _stale(
            asked,
            live.version,
            f"If-Match names version {', '.join(sorted(named))} of {name}, but its current version is {live.version}: "
            "somebody changed it since you read it. Read it again, carry your change over, and send it with "
            f'If-Match: W/"{live.version}".',
        )
    return live.version


def _stale(asked: Interaction, current: int, text: str) -> StaleVersion:
    return StaleVersion(Issue("error", "conflict", text, asked.type, rule=RULE), asked.type, asked.id, current)


def unchanged(header: str, version: Version) -> bool:
    """Whether If-None-Match says that the caller has this version already."""
    if not header:
        return False
    named = named_versions(header, "If-None-Match")
    return named == {"*"} or str(version.version) in named


def not_modified(asked: Interaction, version: Version) -> bool:
    """Whether a read says that the caller has this version already: by ETag, else by time (RFC 9110 section 13.2.2).

    Raises MalformedRequest for an If-None-Match that is no ETag.
    """
    if asked.if_none_match:
        return unchanged(asked.if_none_match, version)
    # The header counts in whole seconds, and so does the Last-Modified that it repeats.
    return bool(asked.if_modified_since) and version.updated // 1000 * 1000 <= asked.if_modified_since
