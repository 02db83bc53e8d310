"""Makes synthetic people with plans, goals and tasks, valid against our profiles: the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

PER_PATIENT = 25
OPEN_TASKS = 10
_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"
_CODES = "http://fhirplan.dev/fhir/CodeSystem"
_TYPES = f"{_CODES}/cm-task-type"
_PROGRESS = (
    "weight steady, no swelling, takes the medicines as listed; daughter drives to the visit on Thursday. "
    "Asked again about salt, fluid and whom to call at night; repeats it correctly."
)


def resources(patients: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """25 resources a patient: herself, a plan, a team, 4 goals, 10 open and 8 completed tasks."""
    chance = random.Random(seed)
    for number in range(patients):
        yield from _person(f"p{number}", chance)


def _person(id_: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    subject = {"reference": f"Patient/{id_}"}
    yield {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": "http://example.org/mrn", "value": f"MRN-{id_}"}],
        "name": [{"family": f"Sample{id_}", "given": ["Case"]}],
        "birthDate": f"{chance.randint(1930, 2015)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}",
    }
    goals = [f"{id_}-g{number}" for number in range(4)]
    yield {
        "resourceType": "CareTeam",
        "id": f"{id_}-team",
        "status": "active",
        "name": "Going home",
        "subject": subject,
        "participant": [
            {
                "role": [{"coding": [{"system": f"{_CODES}/cm-care-team-role", "code": "case-manager"}]}],
                "member": {"reference": "PractitionerRole/role-ncm", "display": "Nurse case manager"},
            }
        ],
    }
    yield {
        "resourceType": "CarePlan",
        "id": f"{id_}-plan",
        "status": "active",
        "intent": "plan",
        "category": [
            {"coding": [{"system": _CATEGORY, "code": "assess-plan"}]},
            {"coding": [{"system": f"{_CODES}/cm-careplan-category", "code": "case-management"}]},
        ],
        "title": "Coming home after heart failure",
        "description": "Weigh daily, keep the visits, call when short of breath. " * 8,
        "subject": subject,
        "author": {"reference": "PractitionerRole/role-ncm"},
        "period": {"start": "2026-03-02"},
        "careTeam": [{"reference": f"CareTeam/{id_}-team"}],
        "goal": [{"reference": f"Goal/{goal}"} for goal in goals],
        "activity": [
            {
                "reference": {"reference": f"Task/{id_}-t{number}"},
                "progress": [
                    {"time": f"2026-03-{day:02d}T15:00:00-06:00", "text": f"Day {day}: {_PROGRESS}"} for day in (4, 9)
                ],
            }
            for number in range(6)
        ],
    }
    for goal in goals:
        yield {
            "resourceType": "Goal",
            "id": goal,
            "lifecycleStatus": "active",
            "category": [{"coding": [{"system": f"{_CODES}/cm-goal-domain", "code": "clinical"}]}],
            "description": {"text": "Weight stays within 2 kg of the discharge weight"},
            "subject": subject,
            "target": [{"measure": {"text": "weight"}, "dueDate": "2026-04-05"}],
        }
    for number in range(PER_PATIENT - 7):
        yield task(f"{id_}-t{number}", id_, open_=number < OPEN_TASKS)


def task(id_: str, patient: str, *, open_: bool = True) -> dict[str, Any]:
    """One task of about 2 kB."""
    done = {} if open_ else {"executionPeriod": {"end": "2026-03-07T10:15:00-06:00"}}
    return {
        "resourceType": "Task",
        "id": id_,
        "identifier": [{"system": "http://example.org/task", "value": id_}],
        "basedOn": [{"reference": f"CarePlan/{patient}-plan"}],
        "status": "accepted" if open_ else "completed",
        "businessStatus": {
            "coding": [{"system": f"{_CODES}/cm-business-status", "code": "scheduled" if open_ else "loop-closed"}]
        },
        "intent": "order",
        "priority": "urgent",
        "code": {"coding": [{"system": _TYPES, "code": "post-discharge-call", "display": "Post-discharge call"}]},
        "description": "Call within two business days of discharge: symptoms, medicines, appointments. " * 10,
        "for": {"reference": f"Patient/{patient}"},
        "authoredOn": "2026-03-06T15:00:00-06:00",
        "lastModified": "2026-03-06T15:00:00-06:00",
        "requester": {"reference": "PractitionerRole/role-ncm"},
        "owner": {"reference": "PractitionerRole/role-ncm"},
        "restriction": {"period": {"end": "2026-03-10T23:59:59-05:00"}},
        **done,
    }
