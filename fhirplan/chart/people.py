"""Names of people, organizations, codes and values as a page writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource


def label(concept: Any) -> str:
    """A CodeableConcept in words: its text, else a display, else a code."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return str(concept["text"])
    codings = [item for item in concept.get("coding") or () if isinstance(item, dict)]
    return next((str(item["display"]) for item in codings if item.get("display")), "") or next(
        (str(item["code"]) for item in codings if item.get("code")), ""
    )


def human_name(names: Any) -> str:
    """The name to call somebody by: official or usual first, as the record gives it."""
    listed = [item for item in names or () if isinstance(item, dict) and item.get("use") != "old"]
    if not listed:
        return ""
    order = {"official": 0, "usual": 1}
    best = min(listed, key=lambda item: order.get(str(item.get("use")), 2))
    if best.get("text"):
        return str(best["text"])
    parts = [*(best.get("prefix") or ()), *(best.get("given") or ()), best.get("family"), *(best.get("suffix") or ())]
    return " ".join(str(part) for part in parts if part)


def name_of(resource: Resource | None, known: Mapping[str, Resource]) -> str:
    """What a page calls a resource: a person, an organization, a task, a goal."""
    if not resource:
        return ""
    kind = resource.get("resourceType")
    if kind in ("Patient", "Practitioner", "RelatedPerson"):
        return human_name(resource.get("name"))
    if kind == "PractitionerRole":
        person = refer(resource.get("practitioner"), known)
        return person or refer(resource.get("organization"), known) or label((resource.get("code") or [None])[0])
    if kind in ("Organization", "HealthcareService", "Location", "CareTeam"):
        return str(resource.get("name") or "")
    if kind == "Goal":
        return label(resource.get("description"))
    if kind == "Task":
        return label(resource.get("code")) or str(resource.get("description") or "")
    if kind == "CarePlan":
        return str(resource.get("title") or "")
    return label(resource.get("code"))


def refer(element: Any, known: Mapping[str, Resource]) -> str:
    """What a Reference element points to, in words: its display, else the target's name, else its type."""
    if not isinstance(element, dict):
        return ""
    if element.get("display"):
        return str(element["display"])
    target = reference.parse(element.get("reference"))
    named = name_of(known.get(target.local), known) if target else ""
    return named or reference.target_type(element)


def phone(resource: Resource | None) -> str:
    """The first phone number of a person or organization, or ""."""
    for item in (resource or {}).get("telecom") or ():
        if isinstance(item, dict) and item.get("system") in ("phone", "sms"):
            return str(item.get("value") or "")
    return ""


def age(born: str, today: date) -> int | None:
    """Full years since a FHIR date, None when it does not tell."""
    try:
        year, month, day = (int(part) for part in born.split("-"))
    except ValueError:
        return None
    return today.year - year - ((today.month, today.day) < (month, day))


_COMPARATORS: Final = {"<=": "≤\u00a0", ">=": "≥\u00a0", "<": "<\u00a0", ">": ">\u00a0"}
_ANNOTATION: Final = re.compile(r"\{[^}]*\}")


def quantity(value: Any) -> str:
    """A Quantity with its unit after a no-break space, digits as recorded; UCUM annotations are left out."""
    if not isinstance(value, dict) or value.get("value") is None:
        return ""
    unit = _ANNOTATION.sub("", str(value.get("unit") or value.get("code") or "")).strip()
    return f"{_COMPARATORS.get(str(value.get('comparator')), '')}{value['value']}\u00a0{unit}".strip()
