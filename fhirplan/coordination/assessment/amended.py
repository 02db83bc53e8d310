"""The plan and the patient as they become by what was found: nothing is taken away from either."""

from __future__ import annotations

from typing import Final

from fhirplan.coordination.assessment.answers import Given
from fhirplan.coordination.assessment.asking import LANGUAGES
from fhirplan.coordination.assessment.source import concept
from fhirplan.coordination.elements import child, codes, local, objects, target, targets
from fhirplan.coordination.vocabulary import ACUITY, ACUITY_CODES
from fhirplan.fhir.codec import Resource

_PLACES: Final = {"Condition": "addresses", "Goal": "goal", "RiskAssessment": "supportingInfo"}


def plan_with(plan: Resource, made: list[Resource], given: Given) -> Resource:
    """The plan with what was found in it, each once; nothing is taken away."""
    whole = dict(plan)
    for item in made:
        element = _PLACES.get(item["resourceType"])
        if element and local(item) not in targets(whole.get(element)):
            whole[element] = [*objects(whole.get(element)), {"reference": local(item)}]
        if item["resourceType"] == "Task":
            listed = objects(whole.get("activity"))
            if local(item) not in {target(one.get("reference")) for one in listed}:
                whole["activity"] = [*listed, {"reference": {"reference": local(item)}}]
    acuity = next((str(item) for item in given.get("10.1", []) if item), "")
    if acuity:
        others = [item for item in objects(whole.get("extension")) if item.get("url") != ACUITY]
        stored = [item for item in objects(whole.get("extension")) if item.get("url") == ACUITY]
        if not any(acuity in codes(item.get("valueCodeableConcept"), ACUITY_CODES) for item in stored):
            whole["extension"] = [*others, {"url": ACUITY, "valueCodeableConcept": concept(ACUITY_CODES, acuity)}]
    return whole


def speaking(patient: Resource | None, given: Given) -> Resource | None:
    """The patient with the language that was asked for as the preferred one; nothing where none was named."""
    said = next((item.strip() for item in given.get("7.1", []) if isinstance(item, str) and item.strip()), "")
    if patient is None or not said:
        return None
    code = LANGUAGES.get(said.casefold(), "")
    named = {said.casefold(), *(name for name, known in LANGUAGES.items() if known == code)}
    others, own = [], None
    for item in objects(patient.get("communication")):
        language = item.get("language")
        known = {str(one.get("code")).partition("-")[0] for one in objects(child(language, "coding"))}
        words = {
            str(child(language, "text")).casefold(),
            *(str(one.get("display")).casefold() for one in objects(child(language, "coding"))),
        }
        if own is None and ((code and code in known) or words & named):
            own = item
        else:
            others.append({key: value for key, value in item.items() if key != "preferred"})
    if own is not None and own.get("preferred") is True:
        return None
    # R4 asks for a code of BCP 47 (maxValueSet all-languages); "und" is its code for one that is not determined.
    spoken = {"coding": [{"system": "urn:ietf:bcp:47", "code": code or "und"}], "text": said}
    first = {**(own or {"language": spoken}), "preferred": True}
    return {**patient, "communication": [first, *others]}
