"""Assessments of a patient: the earlier ones, what changed between two, the response as it is written, what it adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhirplan.chart import people
from fhirplan.chart.answers import Answers, in_words
from fhirplan.chart.edits import now_of, reference
from fhirplan.chart.enabling import asked
from fhirplan.chart.questions import Section
from fhirplan.chart.responses import items
from fhirplan.chart.world import World
from fhirplan.coordination.assessment.answers import is_assessment
from fhirplan.coordination.elements import child, codes, objects, target
from fhirplan.coordination.vocabulary import ACUITY, ACUITY_CODES, NEED_TYPE, RISK_PROBABILITY
from fhirplan.fhir.codec import Resource

DONE = frozenset({"completed", "amended"})
_NO_NAMES = frozenset({"type"})


@dataclass(frozen=True, slots=True)
class Answered:
    """One question and what was said to it, before and now; ``changed`` where it was asked before and differs."""

    section: str
    question: str
    before: str
    now: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that an assessment would add: its reference, what it is, in words; it cannot always be left out."""

    ref: str
    kind: str
    text: str
    optional: bool


def responses(world: World) -> list[Resource]:
    """The patient's assessments that are known, the newest first."""
    found = [item for item in world.of("QuestionnaireResponse") if is_assessment(item)]
    return sorted(found, key=lambda item: (str(item.get("authored") or ""), str(item["id"])), reverse=True)


def unfinished(world: World) -> Resource | None:
    """The assessment that was begun last and not finished."""
    return next((item for item in responses(world) if item.get("status") == "in-progress"), None)


def earlier(world: World, than: Resource | None = None) -> Resource | None:
    """The finished assessment before one, or the newest one."""
    until = str((than or {}).get("authored") or "~")
    return next(
        (
            item
            for item in responses(world)
            if item.get("status") in DONE and item is not than and str(item.get("authored") or "") <= until
            if not than or item["id"] != than["id"]
        ),
        None,
    )


def answered(sections: tuple[Section, ...], before: Answers | None, now: Answers, world: World) -> list[Answered]:
    """What was said to each question that was answered then or is now; one left open now has not changed."""
    yes_no = (world.words("yes"), world.words("no"))
    found = []
    for section in sections:
        for question in section.questions:
            old = in_words(question, before or {}, yes_no)
            new = in_words(question, now, yes_no)
            if old or new:
                changed = before is not None and bool(new) and old != new
                found.append(Answered(section.text, question.text, old, new, changed))
    return found


def counts(sections: tuple[Section, ...], answers: Answers) -> dict[str, tuple[int, int]]:
    """How many questions of each section are answered, and how many are asked."""
    wanted = asked(sections, answers)
    return {
        section.link: (
            sum(bool(answers.get(item.link, "").strip()) for item in section.questions if item.link in wanted),
            sum(item.link in wanted for item in section.questions),
        )
        for section in sections
    }


def written(
    questionnaire: Resource,
    answers: Answers,
    status: str,
    id_: str,
    stored: Resource | None,
    patient: str,
    plan: Resource | None,
    world: World,
) -> Resource:
    """The QuestionnaireResponse under an id; raises ValueError for a text that is no answer to its question."""
    listed = items(questionnaire, answers, world.zone)
    made: dict[str, Any] = {
        "resourceType": "QuestionnaireResponse",
        "id": id_,
        **(stored or {}),
        "basedOn": (stored or {}).get("basedOn") or ([reference(f"CarePlan/{plan['id']}")] if plan else None),
        "questionnaire": f"{questionnaire['url']}|{questionnaire.get('version', '')}".rstrip("|"),
        "status": status,
        "subject": reference(f"Patient/{patient}"),
        "authored": now_of(world),
        "author": reference(world.me, people.name_of(world.known.get(world.me), world.known)) if world.me else None,
        "item": listed or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def offers(entries: Iterable[Resource], world: World) -> list[Offer]:
    """What a transaction of the extraction would add, in words; the notes of what was found come last."""
    found = [_offer(item, world) for item in entries]
    return sorted((item for item in found if item.text), key=lambda item: not item.optional)


def _offer(item: Resource, world: World) -> Offer:
    kind, words = str(item["resourceType"]), world.words
    ref, said = f"{kind}/{item['id']}", words.state("type", kind)
    if kind == "Condition":
        is_barrier = "barrier" in codes(item.get("category"), NEED_TYPE)
        return Offer(
            ref,
            words("asm.barrier" if is_barrier else "asm.need"),
            people.name_of(item, world.known, world.words),
            True,
        )
    if kind in ("Goal", "Task"):
        return Offer(ref, said, people.name_of(item, world.known, world.words), True)
    if kind == "RiskAssessment":
        tier = sorted(codes(child(objects(item.get("prediction"))[0], "qualitativeRisk"), RISK_PROBABILITY))
        return Offer(ref, words("asm.risk"), ", ".join(words(f"asm.tier.{one}") for one in tier), True)
    if kind == "Patient":
        spoken = next((one for one in objects(item.get("communication")) if one.get("preferred")), {})
        return Offer(ref, words("asm.language"), people.label(spoken.get("language"), words), True)
    if kind == "CarePlan":
        return Offer(ref, words("asm.acuity"), _acuity(item, world), False)
    return Offer(
        ref,
        words("asm.finding"),
        people.name_of(item, world.known, world.words) or people.label(item.get("code")),
        False,
    )


def _acuity(plan: Resource, world: World) -> str:
    """The acuity that a plan gets; "" where it stays."""

    def of(one: Mapping[str, Any] | None) -> frozenset[str]:
        listed = [item for item in objects((one or {}).get("extension")) if item.get("url") == ACUITY]
        return frozenset(name for item in listed for name in codes(item.get("valueCodeableConcept"), ACUITY_CODES))

    new = of(plan)
    if new == of(world.known.get(f"CarePlan/{plan['id']}")):
        return ""
    return ", ".join(world.words(f"asm.tier.{name}") for name in sorted(new))


def fitting(templates: Mapping[str, Resource], response: Answers, world: World) -> list[tuple[str, str]]:
    """The templates about what the patient has, by the words of their title: ids and titles.

    What the patient has are the conditions in the record and in the patient's own words (question 1.1).
    """
    known = " ".join([response.get("1.1", ""), *(people.name_of(item, world.known) for item in world.of("Condition"))])
    words = known.casefold()
    found = []
    for id_, item in templates.items():
        title = str(item.get("title") or "")
        topic = [word for word in title.partition(":")[0].casefold().split() if len(word) > 3 and word not in _NO_NAMES]
        if topic and all(word in words for word in topic):
            found.append((id_, people.text_of(item, "title", world.words)))
    return found


def author(response: Resource, world: World) -> str:
    """Who wrote a response down."""
    return people.name_of(world.known.get(target(response.get("author"))), world.known)
