"""Makes and reviews goals and records measurements as a form asks: the resources that come out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhirplan.chart import codes, people
from fhirplan.chart.edits import BadForm, Form, Write, Wrong, day_of, moment_of, noted, now_of, reference, text_of
from fhirplan.chart.task_edits import PROFILES
from fhirplan.chart.world import World
from fhirplan.coordination.elements import child, code, objects
from fhirplan.coordination.lifecycle import applied
from fhirplan.coordination.vocabulary import GOAL_ACHIEVEMENT, GOAL_PRIORITY
from fhirplan.fhir.codec import Resource

UCUM: Final = "http://unitsofmeasure.org"
_LOINC: Final = "http://loinc.org"
_OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
ACHIEVEMENTS: Final = (
    "in-progress",
    "improving",
    "no-change",
    "worsening",
    "achieved",
    "sustaining",
    "not-achieved",
    "no-progress",
    "not-attainable",
)
_VITAL: Final = frozenset({"29463-7", "8480-6", "8462-4", "8867-4", "9279-1", "8310-5", "59408-5", "39156-5"})


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that can be measured: its LOINC code and display, and its unit in UCUM and in print."""

    code: str
    display: str
    ucum: str
    unit: str

    def concept(self) -> dict[str, Any]:
        """It as a FHIR CodeableConcept."""
        return {"coding": [{"system": _LOINC, "code": self.code, "display": self.display}], "text": self.display}


MEASURES: Final = (
    Measure("29463-7", "Body weight", "kg", "kg"),
    Measure("8480-6", "Systolic blood pressure", "mm[Hg]", "mmHg"),
    Measure("8462-4", "Diastolic blood pressure", "mm[Hg]", "mmHg"),
    Measure("8867-4", "Heart rate", "/min", "/min"),
    Measure("59408-5", "Oxygen saturation", "%", "%"),
    Measure("4548-4", "Hemoglobin A1c", "%", "%"),
    Measure("2339-0", "Glucose", "mg/dL", "mg/dL"),
    Measure("72514-3", "Pain severity (0 to 10)", "{score}", ""),
    Measure("44261-6", "PHQ-9 total score", "{score}", ""),
    Measure("55423-8", "Steps in a day", "{#}", ""),
)


def new(form: Form, key: str, patient: str, plan: Resource, world: World) -> list[Write]:
    """A new active goal under the id ``key``, and the plan that then names it. Raises BadForm."""
    words, domain, day = text_of(form, "words"), codes.concept("cm-goal-domain", text_of(form, "domain")), None
    wrong = [] if words else [Wrong("words", "val.goal_words")]
    wrong += [] if domain else [Wrong("domain", "val.domain")]
    try:
        day = day_of(form, "due", world)
        wrong += [] if day else [Wrong("due", "val.goaldue")]
    except BadForm as error:
        wrong += error.wrong
    target, need = _target(form, wrong), text_of(form, "need")
    wrong += [Wrong("need", "val.choice")] if need and need not in world.known else []
    if wrong or domain is None or day is None:
        raise BadForm(*wrong)
    priority = text_of(form, "priority") or "medium-priority"
    made: Resource = {
        "resourceType": "Goal",
        "id": key,
        "meta": {"profile": [f"{PROFILES}goal"]},
        "lifecycleStatus": "active",
        "achievementStatus": _coded(GOAL_ACHIEVEMENT, "in-progress"),
        "category": [{"coding": [domain.coding()]}],
        "priority": _coded(GOAL_PRIORITY, priority),
        "description": {"text": words},
        "subject": reference(f"Patient/{patient}"),
        "startDate": world.today.isoformat(),
        "target": [{**target, "dueDate": day.isoformat()}],
        "statusDate": world.today.isoformat(),
        "expressedBy": reference(f"Patient/{patient}"),
        "addresses": [reference(need)] if need else None,
    }
    made = {name: value for name, value in made.items() if value is not None}
    listed = [*objects(plan.get("goal")), reference(f"Goal/{key}")]
    version = str(child(plan, "meta", "versionId") or "")
    if text_of(form, "note"):
        own = reference(f"Patient/{patient}")
        made["note"] = [{"authorReference": own, "time": now_of(world), "text": text_of(form, "note")}]
    return [Write(made), Write({**plan, "goal": listed}, version)]


def _coded(system: str, name: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": name}]}


def _target(form: Form, wrong: list[Wrong]) -> dict[str, Any]:
    """The measured part of a target; adds to ``wrong`` what cannot be read."""
    measure = next((item for item in MEASURES if item.code == text_of(form, "measure")), None)
    low, high = (_number(form, name, wrong) for name in ("low", "high"))
    if measure is None:
        if text_of(form, "measure"):
            wrong.append(Wrong("measure", "val.choice"))
        elif low is not None or high is not None:
            wrong.append(Wrong("measure", "val.measure"))
        return {}
    if low is None and high is None:
        wrong.append(Wrong("high", "val.limit"))
        return {}
    if low is not None and high is not None and low > high:
        wrong.append(Wrong("high", "val.order"))
    unit = {"unit": measure.unit or measure.ucum, "system": UCUM, "code": measure.ucum}
    if low is not None and high is not None:
        return {
            "measure": measure.concept(),
            "detailRange": {"low": {"value": low, **unit}, "high": {"value": high, **unit}},
        }
    sign = "<=" if high is not None else ">="
    quantity = {"value": high if high is not None else low, "comparator": sign, **unit}
    return {"measure": measure.concept(), "detailQuantity": quantity}


def _number(form: Form, name: str, wrong: list[Wrong]) -> Decimal | None:
    text = text_of(form, name).replace(",", ".")
    if not text:
        return None
    try:
        made = Decimal(text)
    except InvalidOperation:
        made = Decimal("NaN")
    if not made.is_finite() or len(text) > 12:
        wrong.append(Wrong(name, "val.number"))
        return None
    return made


def values(goal: Resource) -> dict[str, str]:
    """What the form for reviewing a goal begins with."""
    dues = [str(item["dueDate"]) for item in objects(goal.get("target")) if item.get("dueDate")]
    return {
        "achievement": code(goal.get("achievementStatus"), GOAL_ACHIEVEMENT),
        "lifecycle": str(goal.get("lifecycleStatus") or ""),
        "due": min(dues, default=""),
        "why": str(goal.get("statusReason") or ""),
    }


def reviewed(goal: Resource, form: Form, version: str, world: World) -> list[Write]:
    """A goal with its achievement, due date or end as a person judged it. Raises BadForm."""
    made, reached = dict(goal), text_of(form, "achievement")
    if reached and reached != values(goal)["achievement"]:
        if reached not in ACHIEVEMENTS:
            raise BadForm(Wrong("achievement", "val.choice"))
        made["achievementStatus"] = _coded(GOAL_ACHIEVEMENT, reached)
        made["statusDate"] = world.today.isoformat()
    lifecycle = text_of(form, "lifecycle")
    if lifecycle and lifecycle != goal.get("lifecycleStatus"):
        made["lifecycleStatus"], made["statusDate"] = lifecycle, world.today.isoformat()
    if text_of(form, "why"):
        made["statusReason"] = text_of(form, "why")
    if lifecycle in ("on-hold", "cancelled", "rejected") and not made.get("statusReason"):
        raise BadForm(Wrong("why", "val.why_goal"))
    day = day_of(form, "due", world)
    if day is not None and day.isoformat() != values(goal)["due"]:
        made["target"] = _due_anew(goal, day.isoformat())
    return [Write(applied(goal, noted(made, text_of(form, "note"), world), world.now.astimezone(world.zone)), version)]


def _due_anew(goal: Resource, day: str) -> list[dict[str, Any]]:
    """The targets with another due date in place of the first one."""
    first, listed = values(goal)["due"], objects(goal.get("target")) or [{}]
    if not first:
        return [{**listed[0], "dueDate": day}, *listed[1:]]
    return [{**item, "dueDate": day} if item.get("dueDate") == first else item for item in listed]


def measures_of(goal: Resource, world: World) -> list[tuple[str, str, str]]:
    """What a goal measures: code, words and unit of each target whose value is a number."""
    found = []
    for item in objects(goal.get("target")):
        coding = next(iter(objects(child(item, "measure", "coding"))), None)
        quantity = item.get("detailQuantity") or child(item, "detailRange", "high") or child(item, "detailRange", "low")
        if coding and isinstance(quantity, dict):
            unit = str(quantity.get("unit") or quantity.get("code") or "")
            found.append((str(coding.get("code")), people.label(item.get("measure"), world.words), unit))
    return found


def measured(goal: Resource, form: Form, key: str, patient: str, world: World) -> list[Write]:
    """A measurement of what a goal's target measures, as an Observation under the id ``key``. Raises BadForm."""
    wrong: list[Wrong] = []
    value = _number(form, "value", wrong)
    if value is None and not wrong:
        wrong.append(Wrong("value", "val.number"))
    at = moment_of(form, "when", world) or now_of(world)
    target = _measured_target(goal, text_of(form, "measure"))
    if wrong or target is None:
        raise BadForm(*(wrong or [Wrong("measure", "val.measure")]))
    quantity = (
        target.get("detailQuantity") or child(target, "detailRange", "high") or child(target, "detailRange", "low")
    )
    unit = {name: quantity[name] for name in ("unit", "system", "code") if name in quantity}
    coded = {str(item.get("code")) for item in objects(child(target, "measure", "coding"))}
    category = "vital-signs" if coded & _VITAL else "survey"
    made: Resource = {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "category": [{"coding": [{"system": _OBSERVATION_CATEGORY, "code": category}]}],
        "code": target["measure"],
        "subject": reference(f"Patient/{patient}"),
        "effectiveDateTime": at,
        "performer": [reference(world.me, people.name_of(world.known.get(world.me), world.known))]
        if world.me
        else None,
        "valueQuantity": {"value": value, **unit},
    }
    made = {name: item for name, item in made.items() if item is not None}
    return [Write(noted(made, text_of(form, "note"), world))]


def _measured_target(goal: Resource, wanted: str) -> dict[str, Any] | None:
    found = [
        item
        for item in objects(goal.get("target"))
        if item.get("measure") and (item.get("detailQuantity") or item.get("detailRange"))
    ]
    for item in found:
        if wanted in {str(coding.get("code")) for coding in objects(child(item, "measure", "coding"))}:
            return item
    return found[0] if found and not wanted else None
