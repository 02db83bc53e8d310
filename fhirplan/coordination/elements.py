"""Reads the elements that coordination depends on from resources of any shape, never failing on a malformed one."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from fhirplan.coordination.vocabulary import (
    ACUITY,
    ACUITY_CODES,
    CONTACT_OUTCOME,
    CONTACT_OUTCOME_CODES,
    SYNC_TAG,
    TERMINAL,
)
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, Resource

# The element that tells whose a resource is.
PATIENT: dict[str, str] = {
    "CarePlan": "subject",
    "CareTeam": "subject",
    "Goal": "subject",
    "Task": "for",
    "ServiceRequest": "subject",
    "Condition": "subject",
    "Communication": "subject",
    "Encounter": "subject",
    "Consent": "patient",
    "Flag": "subject",
    "RiskAssessment": "subject",
}


def objects(value: Json) -> list[dict[str, Any]]:
    """The JSON objects in a list, or the one object, or nothing."""
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return [value] if isinstance(value, dict) else []


def child(value: Json, *names: str) -> Json:
    """The value below some elements, None when there is none or something on the way is no object."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def texts(source: Json, **names: str) -> dict[str, Any]:
    """Texts of an object under other names, each with what extends it, such as its translations; none that it lacks."""
    return {
        f"{mark}{name}": value
        for element, name in names.items()
        for mark in ("", "_")
        if child(source, element) and (value := child(source, f"{mark}{element}"))
    }


def word(resource: Json, element: str = "status") -> str:
    """The code in a primitive element, "" when it is missing or no string."""
    found = resource.get(element) if isinstance(resource, dict) else None
    return found if isinstance(found, str) else ""


def codes(value: Json, system: str) -> set[str]:
    """The codes of a system in a CodeableConcept, a Coding or a list of them."""
    found = set()
    for item in objects(value):
        for coding in [item, *objects(item.get("coding"))]:
            if coding.get("system") == system and coding.get("code"):
                found.add(str(coding["code"]))
    return found


def code(concept: Json, system: str) -> str:
    """The first code of a system in a CodeableConcept, or ""."""
    for item in objects(child(concept, "coding")):
        if item.get("system") == system:
            return str(item.get("code") or "")
    return ""


def concept_codes(concept: Json) -> set[tuple[str, str]]:
    """The system and code of each coding of a CodeableConcept."""
    return {(str(item.get("system")), str(item.get("code"))) for item in objects(child(concept, "coding"))}


def targets(value: Json) -> tuple[str, ...]:
    """``Type/id`` of each Reference to a resource of ours, in order; versions are left off."""
    found = []
    for item in objects(value):
        found_at = reference.parse(item.get("reference"))
        if found_at and not found_at.server:
            found.append(found_at.local)
    return tuple(found)


def target(value: Json) -> str:
    """``Type/id`` of one Reference to a resource of ours, or ""."""
    if not isinstance(value, dict):
        return next(iter(targets(value)), "")
    found = reference.parse(value.get("reference"))
    return found.local if found is not None and not found.server else ""


def extensions(resource: Json, url: str) -> Iterator[dict[str, Any]]:
    """The extensions with that url."""
    for item in objects(child(resource, "extension")):
        if item.get("url") == url:
            yield item


def extension_targets(resource: Json, url: str) -> tuple[str, ...]:
    """What the Reference extensions with that url point to."""
    return targets([item.get("valueReference") for item in extensions(resource, url)])


def local(resource: Resource) -> str:
    """``Type/id`` of a resource."""
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def patient_of(resource: Resource) -> str:
    """``Patient/id`` of the patient a resource is about, or ""."""
    if resource["resourceType"] == "Patient":
        return local(resource)
    found = target(resource.get(PATIENT.get(resource["resourceType"], "subject")))
    return found if found.startswith("Patient/") else ""


def is_derived(resource: Resource) -> bool:
    """Whether a resource is computed by fhirplan from the others, as its tag says (guide section 4.1)."""
    return "derived" in codes(child(resource, "meta", "tag"), SYNC_TAG)


def is_open(task: Resource) -> bool:
    """Whether a task is neither ended nor only planned."""
    return word(task) not in TERMINAL | {"draft", ""}


def contact_outcome(communication: Resource) -> set[str]:
    """The codes of what came of an attempt at contact."""
    return {
        found
        for item in extensions(communication, CONTACT_OUTCOME)
        for found in codes(item.get("valueCodeableConcept"), CONTACT_OUTCOME_CODES)
    }


def acuity(plan: Resource) -> str:
    """The acuity of a plan, or ""."""
    found = (code(item.get("valueCodeableConcept"), ACUITY_CODES) for item in extensions(plan, ACUITY))
    return next((item for item in found if item), "")


def contact_time(communication: Resource) -> str:
    """When a contact was made, as it is written, or ""."""
    return str(communication.get("sent") or communication.get("received") or "")


def moment(text: Json, zone: ZoneInfo) -> datetime | None:
    """The last moment that a FHIR date or dateTime means, in ``zone``; None when it is no date."""
    if not isinstance(text, str):
        return None
    try:
        if "T" in text:
            read = datetime.fromisoformat(text)
            return read.astimezone(zone) if read.tzinfo else read.replace(tzinfo=zone)
        year, month, day = ([int(part) for part in text.split("-")] + [0, 0])[:3]
        month = month or 12
        day = day or calendar.monthrange(year, month)[1]
        return datetime.combine(datetime(year, month, day), clock_time(23, 59, 59), zone)
    except (ValueError, OverflowError):
        return None


def beginning(text: Json, zone: ZoneInfo) -> datetime | None:
    """The first moment that a FHIR date or dateTime means, in ``zone``; None when it is no date."""
    last = moment(text, zone)
    if last is None or "T" in str(text):
        return last
    parts = [int(part) for part in str(text).split("-")]
    return datetime(parts[0], parts[1] if len(parts) > 1 else 1, parts[2] if len(parts) > 2 else 1, tzinfo=zone)


def current(period: Json, now: datetime, zone: ZoneInfo) -> bool:
    """Whether ``now`` lies in a Period; a missing Period, start or end is open."""
    start, end = beginning(child(period, "start"), zone), moment(child(period, "end"), zone)
    return (start is None or start <= now) and (end is None or now <= end)
