"""Suggests what to do about the answers: proposed goals, draft tasks and the risk tier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fhirplan.coordination.assessment.answers import Given, screens_positive
from fhirplan.coordination.assessment.asking import ASKED, GOALS, WORK
from fhirplan.coordination.assessment.source import Source, concept
from fhirplan.coordination.elements import child, local, target
from fhirplan.coordination.order import PROFILES
from fhirplan.coordination.vocabulary import GOAL_DOMAIN, RISK_PROBABILITY, TASK_TYPE
from fhirplan.fhir.codec import Resource


def suggestions(source: Source, given: Given) -> Iterator[Resource]:
    """The wish as a proposed goal, suggested goals and draft tasks of what was found, and the risk tier."""
    wish = next((item for item in given.get("9.1", []) if isinstance(item, str) and item.strip()), "")
    if wish:
        yield {**_goal(source, "9.1", "self-management", wish), "expressedBy": {"reference": source.patient}}
    told = [asked for asked in ASKED if asked.holds(given.get(asked.link, []))]
    for domain in dict.fromkeys(asked.domain for asked in told if asked.domain in GOALS):
        category, text = GOALS[domain]
        yield _goal(source, f"goal-{domain}", category, text)
    if source.plan is not None:
        for link, (kind, text) in WORK.items():
            if (link == "9.3" and given.get(link)) or screens_positive(link, given):
                yield _task(source, link, kind, text)
        for asked in told:
            if asked.kind == "barrier":
                yield _task(source, f"barrier-{asked.link}", "resolve-barrier", f"Resolve: {asked.text}")
    tier = next((str(item) for item in given.get("10.2", []) if item in ("low", "moderate", "high")), "")
    if tier:
        yield _risk(source, tier)


def _goal(source: Source, key: str, domain: str, text: str) -> Resource:
    return {
        "resourceType": "Goal",
        "id": source.id(f"goal-{key}"),
        "meta": {"profile": [f"{PROFILES}goal"]},
        "lifecycleStatus": "proposed",
        "category": [concept(GOAL_DOMAIN, domain)],
        "description": {"text": text},
        "subject": {"reference": source.patient},
    }


def _task(source: Source, key: str, kind: str, text: str) -> Resource:
    written = source.now.isoformat(timespec="seconds")
    requester = target(child(source.plan, "author")) or source.who
    return {
        "resourceType": "Task",
        "id": source.id(f"task-{key}"),
        "meta": {"profile": [f"{PROFILES}task"]},
        "basedOn": [{"reference": local(source.plan)}] if source.plan else [],
        "status": "draft",
        "intent": "order",
        "priority": "routine",
        "code": {"coding": [{"system": TASK_TYPE, "code": kind}], "text": text},
        "description": text,
        "for": {"reference": source.patient},
        "authoredOn": written,
        "lastModified": written,
        "requester": {"reference": requester},
    }


def _risk(source: Source, tier: str) -> Resource:
    performer = source.who if source.who.partition("/")[0] in ("Practitioner", "PractitionerRole") else ""
    end = (source.now + timedelta(days=30)).date().isoformat()
    made: Resource = {
        "resourceType": "RiskAssessment",
        "id": source.id("risk"),
        "meta": {"profile": [f"{PROFILES}risk"]},
        "status": "final",
        "method": {"text": "Judgment of the case manager"},
        "subject": {"reference": source.patient},
        "occurrenceDateTime": source.written,
        "basis": [{"reference": source.response}],
        "prediction": [
            {
                "outcome": {
                    "coding": [{"system": "http://snomed.info/sct", "code": "417005"}],
                    "text": "Unplanned hospital readmission within 30 days",
                },
                "qualitativeRisk": concept(RISK_PROBABILITY, tier),
                "whenPeriod": {"start": source.now.date().isoformat(), "end": end},
            }
        ],
    }
    return {**made, "performer": {"reference": performer}} if performer else made
