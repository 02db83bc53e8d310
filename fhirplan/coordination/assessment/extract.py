"""Tells all that a response to the assessment leads to: what is made, what changes, and what was there already.

Nothing is written by it. Each thing has an id that follows from the response and the question, so that what was made
of a response before is known again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhirplan.coordination.assessment.amended import plan_with, speaking
from fhirplan.coordination.assessment.answers import answers
from fhirplan.coordination.assessment.findings import findings
from fhirplan.coordination.assessment.needs import needs
from fhirplan.coordination.assessment.source import Source
from fhirplan.coordination.assessment.suggestions import suggestions
from fhirplan.coordination.elements import child, local, target
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource

_ACTORS: Final = frozenset({"Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization"})


@dataclass(frozen=True, slots=True)
class Extract:
    """What a response leads to: ``made`` is new, ``kept`` was there already, ``changed`` are the plan and the patient
    as they become."""

    made: tuple[Resource, ...]
    changed: tuple[Resource, ...]
    kept: tuple[str, ...]


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
    source = Source(local(response), patient, who, written, now, plan)
    suggested = [*needs(source, given, world), *suggestions(source, given)]
    made = [*findings(source, given), *(item for item in suggested if local(item) not in left_out)]
    kept = tuple(local(item) for item in made if world.get(local(item)) is not None)
    fresh = tuple(item for item in made if local(item) not in kept)
    before = [plan, world.get(patient) if patient not in left_out else None]
    after = [plan_with(plan, made, given) if plan is not None else None, speaking(before[1], given)]
    changed = tuple(new for old, new in zip(before, after, strict=True) if new is not None and new != old)
    return Extract(fresh, changed, kept)
