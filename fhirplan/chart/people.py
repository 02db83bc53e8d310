"""Names of people, organizations, codes and values as a page writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fhirplan.chart.translated import said, translation
from fhirplan.chart.words import Words
from fhirplan.coordination.elements import child, extensions, objects
from fhirplan.coordination.elements import contact_outcome as outcomes
from fhirplan.coordination.vocabulary import CONTACT_OUTCOME, SENSITIVE
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource

_DURATION: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-contact-duration"


def label(concept: Any, words: Words | None = None) -> str:
    """A CodeableConcept in words: its text, else a display, else a code.

    With ``words`` it is said in that language where its text has a translation, or where it is a code that the
    catalogue has a word for, unless the text says more than the code does.
    """
    if not isinstance(concept, dict):
        return ""
    own = _own(concept, words) if words else ""
    if own:
        return own
    if concept.get("text"):
        return words.phrase(str(concept["text"])) if words else str(concept["text"])
    codings = [item for item in concept.get("coding") or () if isinstance(item, dict)]
    return next((str(item["display"]) for item in codings if item.get("display")), "") or next(
        (str(item["code"]) for item in codings if item.get("code")), ""
    )


def _own(concept: dict[str, Any], words: Words) -> str:
    told = translation(concept, "text", words.language)
    if told:
        return told
    for coding in objects(concept.get("coding")):
        said = words.code(str(coding.get("system") or ""), str(coding.get("code") or ""))
        if said and concept.get("text") in (None, "", coding.get("display")):
            return said
    return ""


def contact_outcome_concept(communication: Resource) -> Any:
    """The CodeableConcept of what came of a contact, None when it has none."""
    return next((item.get("valueCodeableConcept") for item in extensions(communication, CONTACT_OUTCOME)), None)


def contact_outcome(communication: Resource) -> str:
    """The code of what came of a contact, or ""."""
    return next(iter(sorted(outcomes(communication))), "")


def minutes(communication: Resource) -> str:
    """How many minutes a contact took, as recorded, or ""."""
    found = next((item.get("valueDuration") for item in extensions(communication, _DURATION)), None)
    return str(child(found, "value") or "")


def restricted(resource: Resource) -> bool:
    """Whether a resource is labelled so that it may not be passed on without consent (42 CFR Part 2)."""
    return any(item.get("code") in SENSITIVE for item in objects(child(resource, "meta", "security")))


def given_name(names: Any) -> str:
    """What somebody is called by for short: the preferred given name, "" when none is recorded."""
    listed = [item for item in names or () if isinstance(item, dict) and item.get("use") != "old"]
    order = {"nickname": 0, "usual": 1, "official": 2}
    for item in sorted(listed, key=lambda entry: order.get(str(entry.get("use")), 3)):
        if item.get("given"):
            return str(item["given"][0])
    return ""


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


def name_of(resource: Resource | None, known: Mapping[str, Resource], words: Words | None = None) -> str:
    """What a page calls a resource: a person, an organization, a task, a goal; in the language of ``words``."""
    if not resource:
        return ""
    kind = resource.get("resourceType")
    if kind in ("Patient", "Practitioner", "RelatedPerson"):
        return human_name(resource.get("name"))
    if kind == "PractitionerRole":
        person = refer(resource.get("practitioner"), known)
        return person or refer(resource.get("organization"), known) or label((resource.get("code") or [None])[0], words)
    if kind in ("Organization", "HealthcareService", "Location", "CareTeam"):
        return str(resource.get("name") or "")
    if kind == "Goal":
        return label(resource.get("description"), words)
    if kind == "Task":
        return label(resource.get("code"), words) or text_of(resource, "description", words)
    if kind == "CarePlan":
        return text_of(resource, "title", words)
    return next(filter(None, (label(entry, words) for name in _TOLD_BY for entry in objects(resource.get(name)))), "")


def text_of(resource: Resource, name: str, words: Words | None = None) -> str:
    """A text of a resource, in the language of ``words`` where it has a translation; "" where there is none."""
    return words.phrase(said(resource, name, words.language)) if words else said(resource, name, "")


_TOLD_BY: Final = ("code", "topic", "reasonCode", "serviceType", "appointmentType", "type")
"""What tells one resource of a kind from the next, for those that have no name."""


def refer(element: Any, known: Mapping[str, Resource], words: Words | None = None) -> str:
    """What a Reference element points to, in words: its display, else the target's name, else its type."""
    if not isinstance(element, dict):
        return ""
    if element.get("display"):
        return str(element["display"])
    target = reference.parse(element.get("reference"))
    named = name_of(known.get(target.local), known, words) if target else ""
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
