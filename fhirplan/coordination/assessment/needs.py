"""Makes Conditions of the answers that mean a need or barrier which does not stand yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhirplan.coordination.assessment.answers import Given
from fhirplan.coordination.assessment.asking import ASKED, FINDINGS, SDOH, Asked
from fhirplan.coordination.assessment.source import SCREENING, Source, concept
from fhirplan.coordination.elements import codes
from fhirplan.coordination.order import PROFILES
from fhirplan.coordination.vocabulary import ACT_CODE, NEED_DOMAIN, NEED_TYPE
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Json, Resource

_CONCERN: Final = {"system": "http://hl7.org/fhir/us/core/CodeSystem/condition-category", "code": "health-concern"}
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFIED: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_STANDING: Final = frozenset({"active", "recurrence", "relapse"})
_LACKING: Final = re.compile(r"\b(lack|lacks|need|needs|no|without|missing|broken|does not have|don't have)\b", re.I)


def needs(source: Source, given: Given, world: World) -> Iterator[Resource]:
    """The needs of a response; one that stands already, by its kind and domain, is not made again."""
    own = {source.id(f"need-{asked.link}") for asked in ASKED}
    standing = {
        key
        for item in world.of_patient(source.patient, "Condition")
        if codes(item.get("clinicalStatus"), _CLINICAL) & _STANDING and item.get("id") not in own
        for key in _kinds(item)
    }
    for asked in ASKED:
        found = given.get(asked.link, [])
        if not asked.holds(found) or (asked.kind, asked.domain) in standing:
            continue
        if asked.domain == "equipment" and not _LACKING.search(str(found[0])):
            continue
        standing.add((asked.kind, asked.domain))
        yield _condition(source, asked, found)


def _kinds(need: Resource) -> list[tuple[str, str]]:
    category = need.get("category")
    return [(kind, domain) for kind in codes(category, NEED_TYPE) for domain in codes(category, NEED_DOMAIN)]


def _condition(source: Source, asked: Asked, found: list[Json]) -> Resource:
    said = ", ".join(str(item).replace("-", " ") for item in found) if asked.tells else ""
    kinds: list[Json] = [
        {"coding": [_CONCERN]},
        concept(NEED_TYPE, asked.kind),
        concept(NEED_DOMAIN, asked.domain),
    ]
    if asked.domain in SDOH:
        kinds.append(concept(SCREENING, "sdoh"))
    code: dict[str, Json] = {"text": f"{asked.text}: {said}" if said else asked.text}
    if asked.icd:
        code["coding"] = [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": asked.icd}]
    detail = f"Observation/{source.id(f'finding-{asked.link}')}" if asked.link in FINDINGS else source.response
    meta: dict[str, Json] = {"profile": [f"{PROFILES}need"]}
    if asked.label:
        meta["security"] = [{"system": ACT_CODE, "code": asked.label}]
    recorder = source.who if not source.who.startswith("Organization/") else source.patient
    return {
        "resourceType": "Condition",
        "id": source.id(f"need-{asked.link}"),
        "meta": meta,
        "clinicalStatus": concept(_CLINICAL, "active"),
        "verificationStatus": concept(_VERIFIED, "confirmed"),
        "category": kinds,
        "code": code,
        "subject": {"reference": source.patient},
        "recordedDate": source.written,
        "recorder": {"reference": recorder},
        "evidence": [{"detail": [{"reference": detail}]}],
    }
