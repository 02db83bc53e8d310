"""Turns the answers of the case management assessment into findings, needs, goals, tasks and a risk (guide 2.4).

Nothing is written by it. Each thing has an id that follows from the response and the question, so that what was made
of a response before is known again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fhirplan.coordination.asking import ASKED, FINDINGS, GOALS, LANGUAGES, SDOH, WORK, Asked, Finding
from fhirplan.coordination.elements import child, codes, local, objects, target, targets, word
from fhirplan.coordination.order import PROFILES
from fhirplan.coordination.vocabulary import (
    ACT_CODE,
    ACUITY,
    ACUITY_CODES,
    GOAL_DOMAIN,
    NEED_DOMAIN,
    NEED_TYPE,
    RISK_PROBABILITY,
    TASK_TYPE,
)
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Json, Resource

QUESTIONNAIRE: Final = "http://fhirplan.dev/fhir/Questionnaire/cm-assessment"
_SURVEY: Final = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}
_SCREENING: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
_CONCERN: Final = {"system": "http://hl7.org/fhir/us/core/CodeSystem/condition-category", "code": "health-concern"}
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFIED: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_ACTORS: Final = frozenset({"Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization"})
_STANDING: Final = frozenset({"active", "recurrence", "relapse"})
_LACKING: Final = re.compile(r"\b(lack|lacks|need|needs|no|without|missing|broken|does not have|don't have)\b", re.I)


@dataclass(frozen=True, slots=True)
class Extract:
    """What a response leads to: ``made`` is new, ``kept`` was there already, ``changed`` are the plan and the patient
    as they become."""

    made: tuple[Resource, ...]
    changed: tuple[Resource, ...]
    kept: tuple[str, ...]


def answers(response: Resource) -> dict[str, list[Json]]:
    """The answers by linkId, in their order: codes of choices, and plain values."""
    found: dict[str, list[Json]] = {}
    waiting = objects(response.get("item"))
    while waiting:
        item = waiting.pop(0)
        waiting += objects(item.get("item"))
        for answer in objects(item.get("answer")):
            waiting += objects(answer.get("item"))
            values = [value for key, value in answer.items() if key.startswith("value")]
            if values:
                value = values[0].get("code") if isinstance(values[0], dict) else values[0]
                found.setdefault(str(item.get("linkId") or ""), []).append(value)
    return found


def extract(
    response: Resource,
    world: World,
    plan: Resource | None,
    now: datetime,
    left_out: Collection[str] = (),
) -> Extract:
    """What the answers of a response lead to for its patient, and the plan with it; ``now`` is in the patient's zone.

    ``left_out`` (``Type/id``) is not wanted; of the patient it leaves out the language, and findings stay. A need that
    stands already, by its kind and domain, is not made again. Tasks are made for a plan only, since they belong to one.
    Reads the patient, the patient's needs (``of_patient``) and what was made of this response before (``get``).
    """
    given = answers(response)
    patient = target(response.get("subject"))
    who = target(response.get("author")) or target(child(plan, "author")) or patient
    if who.partition("/")[0] not in _ACTORS:
        who = target(child(plan, "author")) or patient
    at = response.get("authored")
    written = at if isinstance(at, str) and len(at) >= 10 else now.isoformat(timespec="seconds")
    work = _Work(local(response), patient, who, written, now, plan)
    suggested = [*_needs(work, given, world), *_others(work, given)]
    made = [*_findings(work, given), *(item for item in suggested if local(item) not in left_out)]
    kept = tuple(local(item) for item in made if world.get(local(item)) is not None)
    fresh = tuple(item for item in made if local(item) not in kept)
    before = [plan, world.get(patient) if patient not in left_out else None]
    after = [_plan_with(plan, made, given) if plan is not None else None, _speaking(before[1], given)]
    changed = tuple(new for old, new in zip(before, after, strict=True) if new is not None and new != old)
    return Extract(fresh, changed, kept)


@dataclass(frozen=True, slots=True)
class _Work:
    response: str
    patient: str
    who: str
    written: str
    now: datetime
    plan: Resource | None

    def id(self, key: str) -> str:
        """The id of what a question of this response leads to."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.response}#{key}"))


def _findings(work: _Work, given: Mapping[str, list[Json]]) -> Iterator[Resource]:
    for link, finding in FINDINGS.items():
        value = _value(finding, given.get(link, []))
        if value:
            yield _observation(work, link, finding, value, bool(_met(link, given)) or _is_due(link, given))


def _value(finding: Finding, found: list[Json]) -> dict[str, Json]:
    """The value of a finding: a number, or what was chosen with its words."""
    if not found or found[0] is None:
        return {}
    if finding.number:
        return {"valueInteger": found[0]} if isinstance(found[0], int) and not isinstance(found[0], bool) else {}
    said = [str(item) for item in found]
    coding = [{"system": finding.answers, "code": item} for item in said]
    return {"valueCodeableConcept": {"coding": coding[:1], "text": ", ".join(item.replace("-", " ") for item in said)}}


def _observation(work: _Work, link: str, finding: Finding, value: dict[str, Json], present: bool) -> Resource:
    kinds: list[Json] = [{"coding": [_SURVEY]}, _concept(NEED_DOMAIN, finding.domain)]
    if finding.domain in SDOH:
        kinds.append(_concept(_SCREENING, "sdoh"))
    if finding.screening:
        kinds.append(_concept(_SCREENING, finding.screening))
    if finding.strength and not present:
        kinds.append(_concept(NEED_TYPE, "strength"))
    return {
        "resourceType": "Observation",
        "id": work.id(f"finding-{link}"),
        "meta": {"profile": [f"{PROFILES}assessment"]},
        "status": "final",
        "category": kinds,
        "code": {
            **({"coding": [{"system": finding.system, "code": finding.code}]} if finding.code else {}),
            "text": finding.text,
        },
        "subject": {"reference": work.patient},
        "effectiveDateTime": work.written,
        "performer": [{"reference": work.who}],
        **value,
        **({"interpretation": [_concept(_INTERPRETATION, "POS" if present else "NEG")]} if link in _JUDGED else {}),
        "derivedFrom": [{"reference": work.response}],
    }


# The questions whose answer means something by itself; of a mere count nobody has said from where it is too much.
_JUDGED: Final = frozenset(asked.link for asked in ASKED) | {"4.2"}


def _met(link: str, given: Mapping[str, list[Json]]) -> list[Asked]:
    """What the answer to a question asks for."""
    return [asked for asked in ASKED if asked.link == link and asked.holds(given.get(link, []))]


def _needs(work: _Work, given: Mapping[str, list[Json]], world: World) -> Iterator[Resource]:
    own = {work.id(f"need-{asked.link}") for asked in ASKED}
    standing = {
        key
        for item in world.of_patient(work.patient, "Condition")
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
        yield _condition(work, asked, found)


def _kinds(need: Resource) -> list[tuple[str, str]]:
    category = need.get("category")
    return [(kind, domain) for kind in codes(category, NEED_TYPE) for domain in codes(category, NEED_DOMAIN)]


def _condition(work: _Work, asked: Asked, found: list[Json]) -> Resource:
    said = ", ".join(str(item).replace("-", " ") for item in found) if asked.tells else ""
    kinds: list[Json] = [
        {"coding": [_CONCERN]},
        _concept(NEED_TYPE, asked.kind),
        _concept(NEED_DOMAIN, asked.domain),
    ]
    if asked.domain in SDOH:
        kinds.append(_concept(_SCREENING, "sdoh"))
    code: dict[str, Json] = {"text": f"{asked.text}: {said}" if said else asked.text}
    if asked.icd:
        code["coding"] = [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": asked.icd}]
    detail = f"Observation/{work.id(f'finding-{asked.link}')}" if asked.link in FINDINGS else work.response
    meta: dict[str, Json] = {"profile": [f"{PROFILES}need"]}
    if asked.label:
        meta["security"] = [{"system": ACT_CODE, "code": asked.label}]
    recorder = work.who if not work.who.startswith("Organization/") else work.patient
    return {
        "resourceType": "Condition",
        "id": work.id(f"need-{asked.link}"),
        "meta": meta,
        "clinicalStatus": _concept(_CLINICAL, "active"),
        "verificationStatus": _concept(_VERIFIED, "confirmed"),
        "category": kinds,
        "code": code,
        "subject": {"reference": work.patient},
        "recordedDate": work.written,
        "recorder": {"reference": recorder},
        "evidence": [{"detail": [{"reference": detail}]}],
    }


def _others(work: _Work, given: Mapping[str, list[Json]]) -> Iterator[Resource]:
    """The wish as a proposed goal, suggested goals and draft tasks of what was found, and the risk tier."""
    wish = next((item for item in given.get("9.1", []) if isinstance(item, str) and item.strip()), "")
    if wish:
        yield {**_goal(work, "9.1", "self-management", wish), "expressedBy": {"reference": work.patient}}
    told = [asked for asked in ASKED if asked.holds(given.get(asked.link, []))]
    for domain in dict.fromkeys(asked.domain for asked in told if asked.domain in GOALS):
        category, text = GOALS[domain]
        yield _goal(work, f"goal-{domain}", category, text)
    if work.plan is not None:
        for link, (kind, text) in WORK.items():
            if (link == "9.3" and given.get(link)) or _is_due(link, given):
                yield _task(work, link, kind, text)
        for asked in told:
            if asked.kind == "barrier":
                yield _task(work, f"barrier-{asked.link}", "resolve-barrier", f"Resolve: {asked.text}")
    tier = next((str(item) for item in given.get("10.2", []) if item in ("low", "moderate", "high")), "")
    if tier:
        yield _risk(work, tier)


def _is_due(link: str, given: Mapping[str, list[Json]]) -> bool:
    found = given.get(link, [None])[0]
    return link == "4.2" and isinstance(found, int) and not isinstance(found, bool) and found >= 3


def _goal(work: _Work, key: str, domain: str, text: str) -> Resource:
    return {
        "resourceType": "Goal",
        "id": work.id(f"goal-{key}"),
        "meta": {"profile": [f"{PROFILES}goal"]},
        "lifecycleStatus": "proposed",
        "category": [_concept(GOAL_DOMAIN, domain)],
        "description": {"text": text},
        "subject": {"reference": work.patient},
    }


def _task(work: _Work, key: str, kind: str, text: str) -> Resource:
    written = work.now.isoformat(timespec="seconds")
    requester = target(child(work.plan, "author")) or work.who
    return {
        "resourceType": "Task",
        "id": work.id(f"task-{key}"),
        "meta": {"profile": [f"{PROFILES}task"]},
        "basedOn": [{"reference": local(work.plan)}] if work.plan else [],
        "status": "draft",
        "intent": "order",
        "priority": "routine",
        "code": {"coding": [{"system": TASK_TYPE, "code": kind}], "text": text},
        "description": text,
        "for": {"reference": work.patient},
        "authoredOn": written,
        "lastModified": written,
        "requester": {"reference": requester},
    }


def _risk(work: _Work, tier: str) -> Resource:
    performer = work.who if work.who.partition("/")[0] in ("Practitioner", "PractitionerRole") else ""
    end = (work.now + timedelta(days=30)).date().isoformat()
    made: Resource = {
        "resourceType": "RiskAssessment",
        "id": work.id("risk"),
        "meta": {"profile": [f"{PROFILES}risk"]},
        "status": "final",
        "method": {"text": "Judgment of the case manager"},
        "subject": {"reference": work.patient},
        "occurrenceDateTime": work.written,
        "basis": [{"reference": work.response}],
        "prediction": [
            {
                "outcome": {
                    "coding": [{"system": "http://snomed.info/sct", "code": "417005"}],
                    "text": "Unplanned hospital readmission within 30 days",
                },
                "qualitativeRisk": _concept(RISK_PROBABILITY, tier),
                "whenPeriod": {"start": work.now.date().isoformat(), "end": end},
            }
        ],
    }
    return {**made, "performer": {"reference": performer}} if performer else made


_PLACES: Final = {"Condition": "addresses", "Goal": "goal", "RiskAssessment": "supportingInfo"}


def _plan_with(plan: Resource, made: list[Resource], given: Mapping[str, list[Json]]) -> Resource:
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
            whole["extension"] = [*others, {"url": ACUITY, "valueCodeableConcept": _concept(ACUITY_CODES, acuity)}]
    return whole


def _speaking(patient: Resource | None, given: Mapping[str, list[Json]]) -> Resource | None:
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


def is_assessment(response: Resource) -> bool:
    """Whether a response answers our assessment, of any version."""
    return word(response, "questionnaire").partition("|")[0] == QUESTIONNAIRE


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
