"""Makes transaction Bundles, reads their answers, and finds the entry that a refusal is about (R4 3.1.0.11.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.ehr import failures
from fhirplan.ehr.answered import Written, placed, version_of
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import last_updated, version_id

# How servers name an entry: by FHIRPath (ours, HAPI, Microsoft), in a sentence, or by the fullUrl it was sent with.
_NAMED: Final = re.compile(r"entry\[(\d+)\]|entry (?:at index |number |#)(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One entry: a create, whose resource has no id, or an update of the EHR's ``resource["id"]``.

    ``full_url`` is what other entries refer to it by.
    """

    resource: Resource
    full_url: str
    if_match: str = ""
    if_none_exist: str = ""

    @property
    def creates(self) -> bool:
        """Whether it creates a resource."""
        return "id" not in self.resource


def bundle(parts: Sequence[Part]) -> Resource:
    """The transaction that carries out the parts, all or none."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(part) for part in parts]}


def _entry(part: Part) -> Resource:
    type_ = str(part.resource["resourceType"])
    request = {"method": "POST" if part.creates else "PUT", "url": type_}
    if not part.creates:
        request["url"] = f"{type_}/{part.resource['id']}"
    if part.if_match:
        request["ifMatch"] = f'W/"{part.if_match}"'
    if part.if_none_exist:
        request["ifNoneExist"] = part.if_none_exist
    return {"fullUrl": part.full_url, "resource": part.resource, "request": request}


def written(response: Resource, parts: Sequence[Part]) -> tuple[Written | None, ...]:
    """Where each part landed, None for one that the answer does not say to have taken effect.

    Raises EhrUnavailable when the answer does not fit the parts, so that nobody can tell.
    """
    entries = response.get("entry")
    if not isinstance(entries, list) or len(entries) != len(parts):
        raise failures.not_understood("POST", "another number of entries than were sent")
    return tuple(_written(entry, part) for entry, part in zip(entries, parts, strict=True))


def _written(entry: Any, part: Part) -> Written | None:
    said = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(said, dict) or not str(said.get("status", "")).startswith("2"):
        return None
    type_ = str(part.resource["resourceType"])
    existed = part.creates and str(said["status"]).startswith("200")
    copy = entry.get("resource")
    place = placed(str(said.get("location") or ""))
    if isinstance(copy, dict) and copy.get("resourceType") == type_ and isinstance(copy.get("id"), str):
        version = version_id(copy) or version_of(str(said.get("etag") or ""))
        return _checked(Written(type_, copy["id"], version, last_updated(copy), copy, existed), part)
    if part.creates and (place is None or place.type != type_):
        raise failures.not_understood("POST", "neither the resource nor its location")
    id_ = place.id if part.creates and place else str(part.resource["id"])
    version = version_of(str(said.get("etag") or "")) or (place.version if place else "")
    return Written(type_, id_, version, "", None, existed)


def _checked(made: Written, part: Part) -> Written:
    if not part.creates and made.id != part.resource["id"]:
        raise failures.not_understood("POST", f"a {made.type} with another id")
    return made


def blamed(outcome: Resource | None, parts: Sequence[Part]) -> int | None:
    """The place of the one entry that a refusal names, None when it names none or several."""
    found: set[int] = set()
    for issue in (outcome or {}).get("issue") or []:
        if isinstance(issue, dict) and issue.get("severity") in ("error", "fatal"):
            found |= _places(issue, parts)
    if len(found) != 1:
        return None
    (place,) = found
    return place if place < len(parts) else None


def _places(issue: Resource, parts: Sequence[Part]) -> set[int]:
    details = issue.get("details")
    texts = [str(item) for key in ("expression", "location") for item in issue.get(key) or []]
    texts += [str(issue.get("diagnostics") or ""), str(details.get("text") or "") if isinstance(details, dict) else ""]
    text = "\n".join(texts)
    named = {int(one or other) for one, other in _NAMED.findall(text)}
    return named or {place for place, part in enumerate(parts) if part.full_url in text}
